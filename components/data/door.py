"""The door: a user's files, read and checked row by row, become canonical tables and images."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.batches import ID_LENGTH, Batch, hash_tables
from components.data.image_files import ImageFile, ImageFolder, UnfitImageError
from components.data.tables import Refusal, parse_items, parse_ratings, read_table
from components.errors import DataError
from components.progress import track


@dataclass(frozen=True)
class Arrival:
    """What may come in, in canonical order, and what may not.

    `images` holds where each image's bytes lie, by sha256; `unused_images` counts the files of
    the image folder that no item names.
    """

    ratings: pd.DataFrame
    items: pd.DataFrame
    images: dict[str, ImageFile]
    refused: list[Refusal]
    unused_images: int

    def batch(self) -> Batch:
        """Return the batch that this makes: the same rows and images, the same batch."""
        sha = hash_tables(self.ratings, self.items, list(self.images))
        return Batch(sha[:ID_LENGTH], sha, len(self.items), len(self.images), len(self.ratings))


def read_arrival(
    items: Path | None, images: Path | None, ratings: Path | None, max_bytes: int
) -> Arrival:
    """Read the files that are given, and keep what may come in.

    An item whose image is refused comes in without it; a rating of an item that is not among
    `items` comes in, for the item may have come before. Raises DataError if a file cannot be read
    at all, or if nothing is left.
    """
    if items is None and images is None and ratings is None:
        raise DataError("nothing to ingest; name at least one of items, images and ratings")
    if images is not None and not images.is_dir():
        raise DataError(f"images: {images} is no folder; name the folder that holds the images")
    folder = None if images is None else ImageFolder(images, max_bytes)
    refusals: list[Refusal] = []
    rating_rows = pd.DataFrame()
    if ratings is not None:
        raw, misshapen = read_table(ratings, "ratings")
        rating_rows, refused = parse_ratings(raw)
        refusals += misshapen + refused
    item_rows, files, refused, unused = _read_items(items, folder)
    refusals += refused
    if rating_rows.empty and item_rows.empty:
        first = "no rows at all" if not refusals else f"first refused: {refusals[0]}"
        raise DataError(f"nothing is left to ingest; {len(refusals)} refused, {first}")
    return Arrival(rating_rows, item_rows, files, refusals, unused)


def _read_items(
    path: Path | None, folder: ImageFolder | None
) -> tuple[pd.DataFrame, dict[str, ImageFile], list[Refusal], int]:
    """Return canonical items, the images that they show by hash, the refused, the unused files."""
    if path is None:
        if folder is None:
            return pd.DataFrame(), {}, [], 0
        rows, refusals = _items_of_stems(folder), []
    else:
        raw, misshapen = read_table(path, "items")
        rows, refused = parse_items(raw)
        refusals = misshapen + refused
        named = rows["images"][rows["images"].map(len) > 0]
        if folder is None and len(named):
            raise DataError(
                f"items: {len(named)} of {len(rows)} rows name images (first: {named.iloc[0][0]!r})"
                ", but no image folder is given; add it, or leave the column out"
            )
    files: dict[str, ImageFile] = {}
    used: set[str] = set()
    if folder is not None:
        refusals += _resolve(rows, folder, files, used)
        if path is None:  # a stem none of whose files is an image is no item
            rows = rows[rows["images"].map(len) > 0]
    unused = len(folder.names) - len(used) if folder is not None and path is not None else 0
    return rows.sort_values("item_id").reset_index(drop=True), files, refusals, unused


def _items_of_stems(folder: ImageFolder) -> pd.DataFrame:
    stems: dict[str, list[str]] = {}
    for name in folder.names:
        stems.setdefault(name.stem.strip(), []).append(name.as_posix())
    rows = {"item_id": list(stems), "images": list(stems.values()), "title": "", "category": ""}
    return pd.DataFrame(rows, index=[0] * len(stems))


def _resolve(
    rows: pd.DataFrame, folder: ImageFolder, files: dict[str, ImageFile], used: set[str]
) -> list[Refusal]:
    """Replace the image names in `rows` by hashes, once each; fill `files` and `used`."""
    refusals = []
    hashes: list[list[str]] = []
    for row, names in track(
        zip(rows.index, rows["images"], strict=True), "reading images", total=len(rows)
    ):
        found: dict[str, None] = {}
        for name in names:
            try:
                path = folder.find(name)
                used.add(path.as_posix())
                image = folder.inspect(path)
            except UnfitImageError as error:
                refusals.append(Refusal("images", int(row), "images", name, str(error)))
                continue
            files.setdefault(image.sha256, image)
            found[image.sha256] = None
        hashes.append(list(found))
    rows["images"] = hashes
    return refusals

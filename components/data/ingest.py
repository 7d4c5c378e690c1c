"""From a user's files to one immutable, versioned batch: nothing comes in twice or unseen."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components import batches
from components.batches import IMAGE_FOLDER, IMAGES, ITEMS, RATINGS, Batch
from components.data.image_files import ImageFile, ImageFolder, UnfitImageError, copy_image
from components.data.tables import Refusal, parse_items, parse_ratings, read_table
from components.data.versions import check_space, store_batch
from components.errors import CorruptFileError, DataError
from components.files import write_folder, write_parquet
from components.locking import hold_lock
from components.params import Params
from components.paths import Workspace
from components.progress import track

_BYTES_A_MEGABYTE = 1_000_000
_WAIT_SECONDS = 30

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ingested:
    """What came in as `batch`, and what did not.

    `is_new` is False where the list already held the very same batch, and nothing was done;
    `unused_images` counts the files of the image folder that no item names.
    """

    batch: Batch
    is_new: bool
    refused: tuple[Refusal, ...]
    unused_images: int


@dataclass(frozen=True)
class _Content:
    """A batch in memory: canonical tables, and where each image's bytes lie."""

    ratings: pd.DataFrame
    items: pd.DataFrame
    images: dict[str, ImageFile]

    def batch(self) -> Batch:
        sha = batches.hash_tables(self.ratings, self.items, list(self.images))
        counts = (len(self.items), len(self.images), len(self.ratings))
        return Batch(sha[: batches.ID_LENGTH], sha, *counts)


def ingest(
    workspace: Workspace,
    params: Params,
    *,
    items: Path | None = None,
    images: Path | None = None,
    ratings: Path | None = None,
) -> Ingested:
    """Check the files at the door and add what may come in as one batch, the last of the list.

    Any of the three may be missing; with `images` alone the files' stems are the item ids. The
    same input makes the same batch, so a second call changes nothing, and a call after a kill
    goes on. Raises DataError if nothing is left, or if a file is not readable at all.
    """
    with hold_lock(workspace.run / "ingest.lock", wait_seconds=_WAIT_SECONDS, what="ingest"):
        _sweep(workspace)
        max_bytes = int(params.ingest.max_image_megabytes * _BYTES_A_MEGABYTE)
        content, refusals, unused = _read(items, images, ratings, max_bytes)
        batch = content.batch()
        listed = batches.read_batches(workspace)
        is_new = batch not in listed
        if is_new:
            _lay_down(workspace, batch, content)
            store_batch(workspace, batch)
            batches.write_batches(workspace, (*listed, batch))  # last: it is in when this stands
        log.info(
            "ingested batch=%s new=%s items=%d images=%d ratings=%d refused=%d unused_images=%d",
            *(batch.id, is_new, batch.items, batch.images, batch.ratings, len(refusals), unused),
        )
        return Ingested(batch, is_new, tuple(refusals), unused)


def withdraw(workspace: Workspace, batch_id: str) -> Batch:
    """Take a batch off the list and return it; its files stay until DVC collects them.

    So a correction or an erasure makes a new data version. Raises DataError if it is not listed.
    """
    with hold_lock(workspace.run / "ingest.lock", wait_seconds=_WAIT_SECONDS, what="ingest"):
        listed = batches.read_batches(workspace)
        gone = [batch for batch in listed if batch.id == batch_id]
        if not gone:
            ids = ", ".join(batch.id for batch in listed) or "none"
            raise DataError(f"no batch {batch_id!r} in {workspace.batch_list} (there: {ids})")
        batches.write_batches(workspace, tuple(batch for batch in listed if batch.id != batch_id))
        log.info("batch withdrawn batch=%s left=%d", batch_id, len(listed) - 1)
        return gone[0]


def _read(
    items: Path | None, images: Path | None, ratings: Path | None, max_bytes: int
) -> tuple[_Content, list[Refusal], int]:
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
    return _Content(rating_rows, item_rows, files), refusals, unused


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


def _lay_down(workspace: Workspace, batch: Batch, content: _Content) -> None:
    """Make the batch's folder stand, whole, whatever an earlier call left there."""
    folder = batches.batch_folder(workspace, batch.id)
    if folder.is_dir():
        try:
            batches.verify_batch(workspace, batch)
        except CorruptFileError as error:
            log.warning("batch is laid down anew batch=%s because=%s", batch.id, error)
        else:
            return
    check_space(workspace, sum(image.size for image in content.images.values()))
    try:
        with write_folder(folder) as beside:
            _fill(beside, content)
    except UnfitImageError as error:
        raise DataError(f"images: a file {error}; wait until nothing writes there") from error


def _fill(folder: Path, content: _Content) -> None:
    if len(content.ratings):
        write_parquet(folder / RATINGS, content.ratings)
    if len(content.items):
        write_parquet(folder / ITEMS, content.items)
    if not content.images:
        return
    (folder / IMAGE_FOLDER).mkdir()
    listed = sorted(content.images.values(), key=lambda image: image.sha256)
    for image in track(listed, "copying images"):
        copy_image(image, folder / IMAGE_FOLDER / image.file)
    rows = [(image.sha256, image.file, image.source, image.size) for image in listed]
    write_parquet(folder / IMAGES, pd.DataFrame(rows, columns=list(batches.IMAGE_COLUMNS)))


def _sweep(workspace: Workspace) -> None:
    """Remove what a killed call left half-written; the lock says that nobody else is at it."""
    for pattern in (".*.tmp", ".*.old"):
        for left in workspace.batches.glob(pattern):
            log.info("removing what a killed ingest left path=%s", left)
            shutil.rmtree(left)

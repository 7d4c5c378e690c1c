"""Batches: the immutable folders of what came in, their list, and the hash that names each."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from components.errors import CorruptFileError
from components.files import hash_file, hash_json, read_json, read_parquet, write_json
from components.paths import Workspace

if TYPE_CHECKING:
    from hashlib import _Hash

# Where a batch comes from: a person's files, or what users told the endpoint.
Origin = Literal["ingest", "feedback"]

ID_LENGTH = 16
RATING_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
ITEM_COLUMNS = ("item_id", "images", "title", "category")
IMAGE_COLUMNS = ("sha256", "file", "source", "bytes")
RATINGS, ITEMS, IMAGES = "ratings.parquet", "items.parquet", "images.parquet"
IMAGE_FOLDER = "images"


@dataclass(frozen=True)
class Batch:
    """One line of data/batches.json: a batch's name, its hash, its counts and its origin."""

    id: str
    sha256: str
    items: int
    images: int
    ratings: int
    origin: Origin = "ingest"


def read_batches(workspace: Workspace) -> tuple[Batch, ...]:
    """Return the list of batches in its order; empty where there is no list yet.

    Raises CorruptFileError if the file is not such a list.
    """
    return read_batch_list(workspace.batch_list) if workspace.batch_list.exists() else ()


def read_batch_list(path: Path) -> tuple[Batch, ...]:
    """Return the batches that a file lists, wherever it lies; raise CorruptFileError if none."""
    content = read_json(path)
    try:
        batches = tuple(Batch(**line) for line in content["batches"])
    except (KeyError, TypeError) as error:
        raise _broken_list(path, str(error)) from error
    for batch in batches:
        _check_batch(path, batch)
    if len({batch.id for batch in batches}) < len(batches):
        raise _broken_list(path, "a batch is in it twice")
    return batches


def _check_batch(path: Path, batch: Batch) -> None:
    # The id becomes a path below data/raw/batches: nothing but a prefix of the hash may pass.
    is_hash = isinstance(batch.sha256, str) and len(batch.sha256) == 64
    if not is_hash or set(batch.sha256) - set("0123456789abcdef"):
        raise _broken_list(path, f"sha256 {batch.sha256!r} is no sha256")
    if batch.id != batch.sha256[:ID_LENGTH]:
        raise _broken_list(path, f"id {batch.id!r} does not begin sha256 {batch.sha256!r}")
    for count in (batch.items, batch.images, batch.ratings):
        if not isinstance(count, int) or count < 0:
            raise _broken_list(path, f"count {count!r} of batch {batch.id} is no count")
    if batch.origin not in get_args(Origin):
        raise _broken_list(path, f"origin {batch.origin!r} of batch {batch.id} is none")


def _broken_list(path: Path, why: str) -> CorruptFileError:
    return CorruptFileError(
        f"{path} is no list of batches: {why}; restore it with 'git checkout {path}'"
    )


def write_batches(workspace: Workspace, batches: tuple[Batch, ...]) -> None:
    """Replace the list of batches, atomically."""
    write_json(workspace.batch_list, {"batches": [_to_line(batch) for batch in batches]})


def data_version(batches: tuple[Batch, ...]) -> str:
    """Return the hash of the ordered list: the version of all the data together."""
    return hash_json([_to_line(batch) for batch in batches])


def _to_line(batch: Batch) -> dict[str, Any]:
    """Return a batch as the list has it; what a person ingested needs no word of its origin."""
    line = asdict(batch)
    return {k: v for k, v in line.items() if (k, v) != ("origin", "ingest")}


def batch_folder(workspace: Workspace, batch_id: str) -> Path:
    """Return where a batch lies (whether or not it does)."""
    return workspace.batches / batch_id


def read_ratings(folder: Path) -> pd.DataFrame:
    """Return a batch's ratings, with no row where it has none."""
    return _read_table(folder / RATINGS, RATING_COLUMNS)


def read_items(folder: Path) -> pd.DataFrame:
    """Return a batch's items, with no row where it has none; `images` holds lists of sha256."""
    items = _read_table(folder / ITEMS, ITEM_COLUMNS)
    items["images"] = [list(images) for images in items["images"]]
    return items


def read_images(folder: Path) -> pd.DataFrame:
    """Return a batch's images, with no row where it has none; `file` is the name in images/."""
    return _read_table(folder / IMAGES, IMAGE_COLUMNS)


_EMPTY = {"rating": np.float64, "timestamp": np.int64, "bytes": np.int64}


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame({name: pd.Series(dtype=_EMPTY.get(name, object)) for name in columns})
    frame = read_parquet(path)
    missing = [name for name in columns if name not in frame]
    if missing:
        raise CorruptFileError(f"{path} has no column {missing[0]!r}")
    return frame


def hash_tables(ratings: pd.DataFrame, items: pd.DataFrame, image_hashes: list[str]) -> str:
    """Return the sha256 of canonical rows in the order given, and of the images' hashes.

    Independent of how Parquet lays the rows out: every column adds its name, then its cells as
    length-prefixed UTF-8 or as little-endian numbers.
    """
    digest = hashlib.sha256()
    for name, frame in (("ratings", ratings), ("items", items)):
        _add_text(digest, [name, str(len(frame))])
        # An empty table has no columns worth hashing: it stands for a missing one.
        for column in sorted(frame.columns) if len(frame) else ():
            _add_text(digest, [column])
            _add_column(digest, frame[column])
    _add_text(digest, sorted(image_hashes))
    return digest.hexdigest()


def _add_column(digest: "_Hash", column: "pd.Series[Any]") -> None:
    if column.dtype == np.float64:
        digest.update((column.to_numpy() + 0.0).astype("<f8").tobytes())  # -0.0 becomes 0.0
    elif column.dtype == np.int64:
        digest.update(column.to_numpy().astype("<i8").tobytes())
    elif column.name == "images":
        digest.update(np.array([len(cell) for cell in column], "<i8").tobytes())
        _add_text(digest, [text for cell in column for text in cell])
    else:
        _add_text(digest, column.tolist())


def _add_text(digest: "_Hash", texts: list[str]) -> None:
    encoded = [text.encode() for text in texts]
    digest.update(np.array([len(text) for text in encoded], "<i8").tobytes())
    digest.update(b"".join(encoded))


def hash_batch(folder: Path) -> str:
    """Re-hash a batch from its bytes: rows, and every image.

    Raises CorruptFileError naming the first file that is missing, changed or not listed.
    """
    images = read_images(folder)
    listed = {
        f"{IMAGE_FOLDER}/{file}": sha
        for file, sha in zip(images["file"], images["sha256"], strict=True)
    }
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in sorted(listed.keys() | found - {RATINGS, ITEMS, IMAGES}):
        if name not in found:
            raise CorruptFileError(f"batch {folder}: {name} is missing")
        if name not in listed:
            raise CorruptFileError(f"batch {folder}: {name} is not listed in {IMAGES}")
        if hash_file(folder / name) != listed[name]:
            raise CorruptFileError(f"batch {folder}: {name} is changed")
    try:
        return hash_tables(read_ratings(folder), read_items(folder), images["sha256"].tolist())
    except (AttributeError, TypeError) as error:  # a cell of another type than ingest writes
        raise CorruptFileError(f"batch {folder}: a table has a cell of another type") from error


def verify_batch(workspace: Workspace, batch: Batch) -> None:
    """Re-hash a batch against the list; raise CorruptFileError saying what to do if it differs."""
    folder = batch_folder(workspace, batch.id)
    mend = f"'beholder fetch {batch.id}' brings it back"
    if not folder.is_dir():
        raise CorruptFileError(f"batch {folder} is missing; {mend}")
    try:
        found = hash_batch(folder)
    except CorruptFileError as error:
        raise CorruptFileError(f"{error}; {mend}") from error
    if found != batch.sha256:
        raise CorruptFileError(
            f"batch {folder} has the hash {found}, the list says {batch.sha256}; {mend}"
        )

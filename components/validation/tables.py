"""The batches as three tables, as they came, read and verified."""

from dataclasses import dataclass

import pandas as pd

from components.batches import (
    IMAGE_COLUMNS,
    IMAGE_FOLDER,
    ITEM_COLUMNS,
    RATING_COLUMNS,
    Batch,
    batch_folder,
    hash_tables,
    read_images,
    read_items,
    read_ratings,
)
from components.errors import CorruptFileError
from components.paths import Workspace


@dataclass(frozen=True)
class Tables:
    """The rows of all batches as they came, and `batch`, the ordinal of each row's batch."""

    ratings: pd.DataFrame
    items: pd.DataFrame
    images: pd.DataFrame


def read_tables(workspace: Workspace, batches: tuple[Batch, ...]) -> Tables:
    """Read every batch of the list and re-hash its rows.

    Of the images, name and size are looked at here; their bytes are hashed when they are first
    measured. Raises CorruptFileError naming the first file that is not as the list says, and how
    to mend it.
    """
    read = [_read_batch(workspace, batch) for batch in batches]
    return Tables(
        *(
            _stack([tables[place] for tables in read], columns)
            for place, columns in enumerate((RATING_COLUMNS, ITEM_COLUMNS, IMAGE_COLUMNS))
        )
    )


def _read_batch(
    workspace: Workspace, batch: Batch
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    folder = batch_folder(workspace, batch.id)
    where = folder.relative_to(workspace.root)
    if not folder.is_dir():
        raise CorruptFileError(
            f"batch {where} is missing; 'beholder fetch {batch.id}' brings it back"
        )
    try:
        ratings, items, images = read_ratings(folder), read_items(folder), read_images(folder)
        if hash_tables(ratings, items, images["sha256"].tolist()) != batch.sha256:
            raise CorruptFileError("its rows do not have the hash in data/batches.json")
        listed = dict(zip(images["file"], images["bytes"].tolist(), strict=True))
        pictures = folder / IMAGE_FOLDER
        found = (
            {path.name: path.stat().st_size for path in pictures.iterdir()}
            if pictures.is_dir()
            else {}
        )
        for name in sorted(listed.keys() | found.keys()):
            if listed.get(name) != found.get(name):
                state = "missing" if name not in found else "another size than listed"
                raise CorruptFileError(f"{IMAGE_FOLDER}/{name} is {state}")
    except (CorruptFileError, AttributeError, TypeError) as error:
        raise CorruptFileError(
            f"batch {where}: {error}; 'beholder fetch {batch.id}' brings it back"
        ) from error
    return ratings, items, images


def _stack(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    numbered = [frame.assign(batch=ordinal) for ordinal, frame in enumerate(frames)]
    filled = [frame for frame in numbered if len(frame)]
    if not filled:
        empty = numbered[0] if numbered else pd.DataFrame(columns=[*columns])
        return empty.assign(batch=pd.Series(dtype="int64"))
    rows = pd.concat(filled, ignore_index=True)
    further = sorted(str(name) for name in rows if name not in (*columns, "batch"))
    rows[further] = rows[further].fillna("")
    return rows[[*columns, *further, "batch"]]

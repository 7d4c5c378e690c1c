"""From a user's files to one immutable, versioned batch: nothing comes in twice or unseen."""

import errno
import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from components import batches
from components.batches import IMAGE_FOLDER, IMAGES, ITEMS, RATINGS, Batch, Origin
from components.data.door import Arrival, read_arrival
from components.data.image_files import UnfitImageError, copy_image
from components.data.tables import Refusal
from components.data.versions import check_space, full_disk, is_batch_intact, store_batch
from components.errors import DataError
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

    `is_new` is False where the list already held the very same batch, and did not change;
    `unused_images` counts the files of the image folder that no item names.
    """

    batch: Batch
    is_new: bool
    refused: tuple[Refusal, ...]
    unused_images: int


def ingest(
    workspace: Workspace,
    params: Params,
    *,
    items: Path | None = None,
    images: Path | None = None,
    ratings: Path | None = None,
    origin: Origin = "ingest",
) -> Ingested:
    """Check the files at the door and add what may come in as one batch, the last of the list.

    Any of the three may be missing; with `images` alone the files' stems are the item ids. The
    same input makes the same batch, so a second call changes nothing, and a call after a kill
    goes on. Raises DataError if nothing is left, or if a file is not readable at all.
    """
    with hold_lock(workspace.run / "ingest.lock", wait_seconds=_WAIT_SECONDS, what="ingest"):
        _sweep(workspace)
        max_bytes = int(params.ingest.max_image_megabytes * _BYTES_A_MEGABYTE)
        arrival = read_arrival(items, images, ratings, max_bytes)
        made = replace(arrival.batch(), origin=origin)
        listed = batches.read_batches(workspace)
        batch = next((known for known in listed if known.id == made.id), made)
        is_new = batch not in listed
        if is_new or not is_batch_intact(workspace, batch):
            _lay_down(workspace, batch, arrival)
            store_batch(workspace, batch)
        if is_new:  # last: the batch is in when it is listed
            batches.write_batches(workspace, (*listed, batch))
        log.info(
            "ingested batch=%s new=%s items=%d images=%d ratings=%d refused=%d",
            *(batch.id, is_new, batch.items, batch.images, batch.ratings, len(arrival.refused)),
        )
        return Ingested(batch, is_new, tuple(arrival.refused), arrival.unused_images)


def withdraw(workspace: Workspace, batch_id: str) -> Batch:
    """Take a batch off the list and return it; its bytes stay in DVC's cache and remote.

    So a correction or an erasure makes a new data version. Raises DataError if it is not listed.
    """
    with hold_lock(workspace.run / "ingest.lock", wait_seconds=_WAIT_SECONDS, what="ingest"):
        listed = batches.read_batches(workspace)
        gone = [batch for batch in listed if batch.id == batch_id]
        if not gone:
            ids = ", ".join(batch.id for batch in listed) or "none"
            raise DataError(f"no batch {batch_id!r} in {workspace.batch_list} (there: {ids})")
        batches.write_batches(workspace, tuple(batch for batch in listed if batch.id != batch_id))
        # DVC must not miss on another machine what nobody learns from any more.
        folder = batches.batch_folder(workspace, batch_id)
        folder.with_name(f"{batch_id}.dvc").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        log.info("batch withdrawn batch=%s left=%d", batch_id, len(listed) - 1)
        return gone[0]


def _lay_down(workspace: Workspace, batch: Batch, arrival: Arrival) -> None:
    """Make the batch's folder stand, whole, whatever an earlier call left there."""
    if is_batch_intact(workspace, batch):
        return
    folder = batches.batch_folder(workspace, batch.id)
    size = sum(image.size for image in arrival.images.values())
    check_space(workspace, size)
    try:
        with write_folder(folder) as beside:
            _fill(beside, arrival)
    except UnfitImageError as error:
        raise DataError(f"images: a file {error}; wait until nothing writes there") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise full_disk(workspace, batch, size) from error
        raise


def _fill(folder: Path, arrival: Arrival) -> None:
    if len(arrival.ratings):
        write_parquet(folder / RATINGS, arrival.ratings)
    if len(arrival.items):
        write_parquet(folder / ITEMS, arrival.items)
    if not arrival.images:
        return
    (folder / IMAGE_FOLDER).mkdir()
    listed = sorted(arrival.images.values(), key=lambda image: image.sha256)
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

"""Where an item came from and how the champion's catalogue serves it, learnt or not."""

import logging

from components.batches import batch_folder, read_batches, read_items
from components.catalogue.snapshot import find_snapshot, overlay_folder
from components.errors import CorruptFileError
from components.files import read_parquet
from components.models.availability import read_available
from components.models.bundle import read_digest
from components.models.overlay import Overlay, read_overlay, read_overlay_digest
from components.packaging.release import BUNDLE
from components.paths import Workspace
from components.promotion.registry import Version
from flows.releases import bento_folder
from flows.trace_chain import ItemLink

_SHORT = 12

log = logging.getLogger(__name__)


def find_item(workspace: Workspace, champion: Version | None, item_id: str) -> ItemLink | None:
    """Return how an item is served; None where no listed batch names it and nobody serves it."""
    batches = tuple(_find_batches(workspace, item_id))
    way, added, is_available = _find_way(workspace, champion, item_id)
    return ItemLink(batches, way, added, is_available) if batches or way else None


def _find_batches(workspace: Workspace, item_id: str) -> list[str]:
    found = []
    for batch in read_batches(workspace):
        folder = batch_folder(workspace, batch.id)
        try:
            named = read_items(folder)["item_id"]
        except CorruptFileError as error:
            log.warning("batch not read batch=%s why=%s", batch.id, error)
            continue
        if bool((named == item_id).any()):
            found.append(batch.id)
    return found


def _find_way(
    workspace: Workspace, champion: Version | None, item_id: str
) -> tuple[str | None, str | None, bool]:
    table = None if champion is None else bento_folder(workspace, champion) / BUNDLE
    if table is None or not (table / "items.parquet").is_file():
        return None, None, True
    items = read_parquet(table / "items.parquet")
    row = items["item_id"].tolist().index(item_id) if (items["item_id"] == item_id).any() else None
    overlay = _open_overlay(workspace, read_digest(table))
    if overlay is None:
        is_available = row is None or bool(read_available(items)[row])
        return (None if row is None else "learnt"), None, is_available
    found, digest = overlay
    is_available = item_id not in found.withdrawn
    if row is not None:
        return "learnt", None, is_available
    named = (found.appended["item_id"] == item_id).to_numpy()
    if not named.any():
        return None, None, is_available
    has_image = bool(found.has_image_A[named][0])
    return ("images" if has_image else "prior"), digest[:_SHORT], is_available


def _open_overlay(workspace: Workspace, bundle: str) -> tuple[Overlay, str] | None:
    try:
        snapshot = find_snapshot(workspace)
        if snapshot is None:
            return None
        folder = overlay_folder(workspace, snapshot, bundle)
        if not folder.is_dir():
            return None
        return read_overlay(folder, bundle), read_overlay_digest(folder)
    except CorruptFileError as error:
        log.warning("catalogue not read why=%s", error)
        return None

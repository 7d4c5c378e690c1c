"""What the last refresh of the catalogue changes about a version's Bento, derived when asked."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from components.batches import Batch
from components.catalogue.snapshot import Snapshot, find_snapshot, sweep, take_snapshot
from components.errors import ConflictError
from components.files import read_json
from components.locking import hold_lock
from components.packaging.pointer import read_pointer
from components.packaging.release import BUNDLE, LINEAGE, SOURCES, read_release
from components.params import load_params
from components.paths import Workspace
from components.settings import load_settings

_WAIT_SECONDS = 600
# A Bento that was packaged before there were overlays does not hold the code that opens them.
_OPENS_OVERLAYS = f"{SOURCES}/components/models/overlay.py"

log = logging.getLogger(__name__)


def find_overlay(
    workspace: Workspace, bundle: Path, data_version: str | None, *, keep: bool = False
) -> tuple[Path, str] | None:
    """Return the folder and digest of the overlay that a served bundle shall be opened with.

    None where nothing was refreshed yet, or nothing that this bundle does not know. New images are
    encoded by its own encoder, and with `keep` stay in the store, for whose writers the caller
    holds the work lock. Raises CorruptFileError naming an image that is needed and not here.
    """
    snapshot = find_snapshot(workspace)
    if snapshot is None:
        return None
    from components.catalogue.deriving import Encoding, derive_overlay

    encoding = Encoding(load_params(workspace.params), load_settings(), keep)
    with _hold_catalogue(workspace):
        return derive_overlay(workspace, snapshot, bundle, encoding, data_version=data_version)


def find_overlay_of(
    workspace: Workspace, bento: Path, *, keep: bool = False
) -> tuple[Path, str] | None:
    """Do what `find_overlay` does for a Bento; None too for one that is older than overlays."""
    if find_snapshot(workspace) is None:
        return None
    if not (bento / _OPENS_OVERLAYS).is_file():
        log.warning("catalogue not taken up, the release is older than refreshing bento=%s", bento)
        return None
    data_version = read_json(bento / LINEAGE).get("data_version")
    return find_overlay(workspace, bento / BUNDLE, data_version, keep=keep)


def require_overlays(bento: Path) -> None:
    """Raise ConflictError if a Bento is of a time before catalogues could be refreshed."""
    if not (bento / _OPENS_OVERLAYS).is_file():
        version = read_release(bento).version
        raise ConflictError(
            f"version {version} was packaged before a catalogue could be refreshed; the next "
            "version that 'beholder retrain' makes champion can take it up"
        )


def keep_accepted(workspace: Workspace, batches: Sequence[Batch]) -> Snapshot:
    """Let the items that `validate` accepted be those that deployments go by from now on.

    The caller holds the work lock, and has brought `validate` up to date with these batches.
    """
    with _hold_catalogue(workspace):
        return take_snapshot(workspace, batches)


def sweep_unused(workspace: Workspace) -> None:
    """Remove the snapshots and overlays that neither count nor are named by an endpoint's order."""
    places = [
        place
        for folder in (workspace.run / "endpoints").glob("*")
        if (pointer := read_pointer(folder)) is not None
        for place in (pointer.current, pointer.standby)
        if place is not None and place.catalogue is not None
    ]
    with _hold_catalogue(workspace):
        sweep(workspace, [Path(str(place.catalogue)) for place in places])


def _hold_catalogue(workspace: Workspace) -> AbstractContextManager[None]:
    lock = workspace.run / "catalogue.lock"
    return hold_lock(lock, wait_seconds=_WAIT_SECONDS, what="the catalogue")

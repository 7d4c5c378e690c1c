"""The pictures that an endpoint shows: copies of the workspace's, made once an image."""

import logging
from pathlib import Path

from components.errors import CorruptFileError
from components.files import read_parquet
from components.locking import hold_lock
from components.models.overlay import APPENDED
from components.packaging.pointer import Place
from components.packaging.release import BUNDLE
from components.parallel import count_cores, map_ahead
from components.paths import Workspace
from components.pictures import first_images, has_copies, write_copies
from components.settings import load_settings
from components.training.pictures import Pictures

_WAIT_SECONDS = 300
_AHEAD = 32

log = logging.getLogger(__name__)


def make_pictures(workspace: Workspace, place: Place) -> Path:
    """Return the folder with small copies of what a release's items look like; make the missing.

    An image that is not on this disk any more, or that cannot be read, has no copy: the endpoint
    says so in its place. A killed call leaves whole copies, and the next one makes the rest.
    """
    folder = workspace.pictures
    tables = [Path(place.bento) / BUNDLE / "items.parquet"]
    tables += [Path(place.catalogue) / APPENDED] if place.catalogue is not None else []
    images = [cell for table in tables for cell in read_parquet(table, ["images"])["images"]]
    wanted = {sha256 for sha256 in first_images(images) if sha256 is not None}
    with hold_lock(workspace.run / "pictures.lock", wait_seconds=_WAIT_SECONDS, what="pictures"):
        missing = sorted(sha256 for sha256 in wanted if not has_copies(folder, sha256))
        made = _make(workspace, folder, missing)
    if missing:
        log.info("pictures made made=%d without=%d", made, len(missing) - made)
    return folder


def _make(workspace: Workspace, folder: Path, missing: list[str]) -> int:
    if not (workspace.accepted / "images.parquet").is_file():
        return 0
    pictures = Pictures.of(workspace, load_settings())
    known = [sha256 for sha256 in missing if sha256 in pictures.files]

    def copy(sha256: str) -> bool:
        try:
            write_copies(folder, sha256, pictures.read(sha256))
        except CorruptFileError as error:
            log.warning("picture left out reason=%s", error)
            return False
        return True

    return sum(map_ahead(copy, known, threads=count_cores(), ahead=_AHEAD))

"""What lies about in a workspace that nothing needs, and how each piece of it goes."""

import logging
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.files import read_json
from components.housekeeping.plan import Piece
from components.paths import Workspace
from components.promotion.registry import Version
from flows.archive import Archive
from flows.deploying import find_live
from flows.run_record import BATCH_MD5S

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """A piece that may go, and what lets it go: safe to repeat after a kill."""

    piece: Piece
    free: Callable[[], object]


def find_garbage(archive: Archive, kept: Collection[int]) -> Iterator[Offer]:
    """Yield all that may go while some versions are kept whole."""
    workspace = archive.workspace
    gone = [version for version in archive.versions if version.number not in kept]
    yield from _find_bentos(workspace, kept)
    for kind, folder in (
        ("bundles fetched", workspace.state / "versions"),
        ("pages for the reviewer", workspace.state / "reviews"),
    ):
        yield from _find_numbered(kind, folder, kept)
    yield from _find_artifacts(archive, gone)
    yield from _find_dvc(archive, kept)
    yield from _find_caches(workspace)


def measure(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def _offer(kind: str, path: Path, name: str | None = None) -> Offer:
    def free() -> None:
        # Under a name that nothing looks for, so that a kill leaves nothing that seems whole.
        doomed = path.with_name(f".{path.name.lstrip('.')}.gone")
        if path.exists():
            path.rename(doomed)
        if doomed.is_dir():
            shutil.rmtree(doomed)
        else:
            doomed.unlink(missing_ok=True)

    return Offer(Piece(kind, name or path.name, measure(path)), free)


def _find_bentos(workspace: Workspace, kept: Collection[int]) -> Iterator[Offer]:
    """Yield Bentos, homes of trials and what kills left, except what an endpoint answers from."""
    places = [
        place
        for endpoint in find_live(workspace)
        for place in (endpoint.pointer.current, endpoint.pointer.standby)
        if place is not None
    ]
    used = {Path(place.bento).name for place in places} | {str(number) for number in kept}
    for folder in sorted(workspace.bentos.glob("*")):
        if folder.name.lstrip(".").split(".")[0] not in used:
            yield _offer("Bentos", folder)


def _find_numbered(kind: str, around: Path, kept: Collection[int]) -> Iterator[Offer]:
    for folder in sorted(around.glob("*"), key=lambda path: path.name):
        if not folder.name.isdigit() or int(folder.name) not in kept:
            yield _offer(kind, folder)


def _find_artifacts(archive: Archive, gone: Collection[Version]) -> Iterator[Offer]:
    """Yield the bundles that MLflow keeps of versions; what their runs logged stays."""
    for version in gone:
        size = archive.registry.measure(version)
        if size:
            piece = Piece("bundles in MLflow", f"version {version.number}", size)
            yield Offer(piece, partial(archive.registry.free, version))


def _find_dvc(archive: Archive, kept: Collection[int]) -> Iterator[Offer]:
    from flows.dvc_garbage import find_objects, remove_objects

    needed = {
        md5
        for version in archive.versions
        if version.number in kept
        for md5 in (archive.files(version).read_json(BATCH_MD5S) or {}).values()
    }
    objects = find_objects(archive.workspace, needed)
    if objects:
        piece = Piece("objects in DVC's cache", f"{len(objects):,} objects", sum(objects.values()))
        yield Offer(piece, partial(remove_objects, archive.workspace, needed))


def _find_caches(workspace: Workspace) -> Iterator[Offer]:
    """Yield embeddings of other encoders, and what but the last killed work could go on from."""
    encoder = workspace.embeddings / "encoder/encoder.json"
    if encoder.is_file():
        digest = str(read_json(encoder)["digest"])
        for folder in sorted((workspace.cache / "embeddings").glob("*")):
            if folder.name != digest:
                yield _offer("embeddings of other encoders", folder, folder.name[:12])
    for kind, name in (("old checkpoints", "checkpoints"), ("old comparisons", "contest")):
        folders = sorted((workspace.cache / name).glob("*"), key=lambda path: path.stat().st_mtime)
        for folder in folders[:-1]:
            yield _offer(kind, folder, folder.name[:12])

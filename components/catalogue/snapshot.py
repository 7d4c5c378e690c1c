"""The accepted items of the last refresh or retraining, kept whole: what every overlay is made of.

    .beholder/catalogue/
      current.json                    which snapshot counts, and the data that it was taken from
      snapshots/<digest>/             items.parquet (as accepted), images.parquet (sha256, path)
      overlays/<snapshot>-<bundle>/   see components.models.overlay

A later `validate` may take data/accepted away; a deployment at that moment must not care.
"""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from components.batches import Batch, data_version
from components.errors import CorruptFileError
from components.files import (
    hash_json,
    hash_tree,
    read_json,
    read_parquet,
    write_folder,
    write_json,
    write_parquet,
)
from components.paths import Workspace

_SHORT = 16
_MEND = "run 'beholder catalogue refresh'"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """One snapshot; `batches` are the ids of those that it was accepted from.

    `known` are the versions of the data that this workspace has had, this one last: a bundle of
    one of them is older than the snapshot, another may be newer.
    """

    folder: Path
    digest: str
    data_version: str
    batches: tuple[str, ...]
    known: tuple[str, ...]

    def items(self) -> pd.DataFrame:
        """Return the accepted items; raise CorruptFileError if they are not as they were."""
        return read_parquet(self._verified() / "items.parquet")

    def image_paths(self) -> dict[str, str]:
        """Return the path of each accepted image, from the workspace's root, by its sha256."""
        images = read_parquet(self._verified() / "images.parquet")
        return dict(zip(images["sha256"].tolist(), images["path"].tolist(), strict=True))

    def _verified(self) -> Path:
        if not _is_intact(self.folder, self.digest):
            raise CorruptFileError(f"{self.folder} is not as it was written; {_MEND}")
        return self.folder


def take_snapshot(workspace: Workspace, batches: Sequence[Batch]) -> Snapshot:
    """Keep data/accepted as the snapshot that counts; the caller keeps `validate` from running.

    `batches` is the list as it was before that was brought up to date: what is newer is not in it.
    """
    scratch = workspace.catalogue / "snapshots" / "new"
    shutil.rmtree(scratch, ignore_errors=True)
    with write_folder(scratch) as folder:
        write_parquet(folder / "items.parquet", read_parquet(workspace.accepted / "items.parquet"))
        images = read_parquet(workspace.accepted / "images.parquet", ["sha256", "path"])
        write_parquet(folder / "images.parquet", images)
    digest = hash_json(hash_tree(scratch))
    target = snapshot_folder(workspace, digest)
    if _is_intact(target, digest):
        shutil.rmtree(scratch)
    else:
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
    version = data_version(tuple(batches))
    before = find_snapshot(workspace)
    known = [one for one in (before.known if before else ()) if one != version]
    content = {
        "snapshot": digest,
        "data_version": version,
        "batches": [batch.id for batch in batches],
        "known": [*known, version],
    }
    write_json(_current(workspace), content)
    log.info("catalogue snapshot taken digest=%s data_version=%s", digest[:_SHORT], version)
    return _parse(workspace, content)


def find_snapshot(workspace: Workspace) -> Snapshot | None:
    """Return the snapshot that counts, None before the first.

    Raises CorruptFileError if what says so cannot be read.
    """
    path = _current(workspace)
    return _parse(workspace, read_json(path)) if path.is_file() else None


def snapshot_folder(workspace: Workspace, digest: str) -> Path:
    """Return where a snapshot lies."""
    return workspace.catalogue / "snapshots" / digest[:_SHORT]


def overlay_folder(workspace: Workspace, snapshot: Snapshot, bundle: str) -> Path:
    """Return where the overlay of a bundle lies that was made of a snapshot, if it was."""
    name = f"{snapshot.digest[:_SHORT]}-{bundle[:_SHORT]}"
    return workspace.catalogue / "overlays" / name


def sweep(workspace: Workspace, used: Sequence[Path]) -> None:
    """Remove the snapshots and overlays that neither count nor are `used` by an endpoint."""
    current = find_snapshot(workspace)
    if current is None:
        return
    for folder in (workspace.catalogue / "snapshots").iterdir():
        if folder != current.folder:
            shutil.rmtree(folder, ignore_errors=True)
    kept = {path.resolve() for path in used}
    for folder in (workspace.catalogue / "overlays").glob("*"):
        is_of_now = folder.name.startswith(f"{current.digest[:_SHORT]}-")
        if not is_of_now and folder.resolve() not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _current(workspace: Workspace) -> Path:
    return workspace.catalogue / "current.json"


def _parse(workspace: Workspace, content: Any) -> Snapshot:
    try:
        digest = str(content["snapshot"])
        return Snapshot(
            snapshot_folder(workspace, digest),
            digest,
            str(content["data_version"]),
            tuple(content["batches"]),
            tuple(content["known"]),
        )
    except (KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{_current(workspace)} names no snapshot ({error!r}); delete it, then {_MEND}"
        ) from error


def _is_intact(folder: Path, digest: str) -> bool:
    return folder.is_dir() and hash_json(hash_tree(folder)) == digest

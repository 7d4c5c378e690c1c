"""One file that holds what a workspace cannot get from anywhere else, and a workspace of it again.

    backup.json   format, root, when; `files`: every file with its sha256
    workspace/    the files, as they lay below the root

Data and models are DVC's: they lie in its remote, and come from there. Caches, Bentos, logs of
servers and Prefect's history of runs are left out. SQLite files are copied by SQLite itself, so a
workspace may go on working meanwhile.
"""

import logging
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.errors import CorruptFileError, WorkspaceError
from components.files import (
    find_difference,
    fsync_path,
    hash_tree,
    read_json,
    write_folder,
    write_json,
)
from components.paths import STATE, Workspace

FORMAT = 1
_MANIFEST, _FILES = "backup.json", "workspace"

# Below the state folder: what only this machine needs, and what is made anew.
_LEFT_OUT = ("bentos", "dvc", "prefect", "run", "versions", "cache")
_CACHE_KEPT = "machines"
# config.local is this machine's own, and may hold credentials.
_DVC_KEPT = (".dvc/config", ".dvc/.gitignore")
# Where MLflow's SQLite store has the places of artifacts, by their whole paths.
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backup:
    """What a backup says of itself: where the workspace lay, and when it was made (UTC)."""

    root: Path
    made: str
    files: dict[str, str]


def write_backup(workspace: Workspace, target: Path) -> Backup:
    """Write a backup of a workspace to a file that only its owner can read, whole or not at all.

    Raises WorkspaceError if the file is there already.
    """
    if target.exists():
        raise WorkspaceError(f"{target} is there already; name another file")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".beholder-", dir=target.parent) as name:
        folder = Path(name)
        for path in sorted(set(_find_files(workspace))):
            _copy(path, folder / _FILES / path.relative_to(workspace.root))
        made = datetime.now(UTC).isoformat(timespec="seconds")
        files = hash_tree(folder / _FILES)
        facts = {"format": FORMAT, "root": str(workspace.root), "made": made, "files": files}
        write_json(folder / _MANIFEST, facts)
        beside = folder / "backup.tar"
        beside.touch(mode=0o600)
        with tarfile.open(beside, "w") as tar:
            for part in (_MANIFEST, _FILES):
                tar.add(folder / part, part)
        fsync_path(beside)
        beside.rename(target)
    log.info("backup written path=%s files=%d", target, len(files))
    return Backup(workspace.root, made, files)


def restore_backup(source: Path, folder: Path) -> Workspace:
    """Make a workspace of a backup in a new or empty folder; return it without DVC's data.

    Raises CorruptFileError if the file is no backup, or not whole, WorkspaceError if the folder
    holds other things.
    """
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        raise WorkspaceError(f"{folder} is not empty; name a new folder")
    with write_folder(folder) as beside:
        unpacked = beside / ".unpacked"
        _unpack(source, unpacked)
        backup = _verify(source, unpacked)
        for path in (unpacked / _FILES).iterdir():
            path.rename(beside / path.name)
        shutil.rmtree(unpacked)
        _move_artifacts(Workspace(beside), backup.root, folder)
        _move_remote(Workspace(beside), backup.root)
    log.info("backup restored path=%s folder=%s", source, folder)
    return Workspace(folder)


def _find_files(workspace: Workspace) -> Iterator[Path]:
    root = workspace.root
    yield from (path for path in root.iterdir() if path.is_file())
    yield from (root / name for name in _DVC_KEPT if (root / name).is_file())
    yield from workspace.batches.glob("*.dvc")
    yield workspace.batch_list
    for folder in (root / ".git", root / "reports", *_find_state(workspace)):
        if folder.is_dir():
            yield from (path for path in folder.rglob("*") if path.is_file())
        elif folder.is_file():
            yield folder


def _find_state(workspace: Workspace) -> Iterator[Path]:
    for path in workspace.state.iterdir():
        if path.name not in _LEFT_OUT and not _is_of_the_moment(path):
            yield path
    yield workspace.cache / _CACHE_KEPT


def _is_of_the_moment(path: Path) -> bool:
    """Whether this is a lock, or one of the files that SQLite keeps beside an open one."""
    return path.suffix == ".lock" or path.name.endswith((".db-wal", ".db-shm", ".db-journal"))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix != ".db":
        shutil.copy2(source, target)
        return
    address = f"file:{source}?mode=ro"
    with (
        closing(sqlite3.connect(address, uri=True)) as now,
        closing(sqlite3.connect(target)) as then,
    ):
        now.backup(then)
    target.chmod(source.stat().st_mode & 0o777)


def _unpack(source: Path, folder: Path) -> None:
    try:
        with tarfile.open(source, "r:") as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise CorruptFileError(
            f"{source} is no backup of a workspace, or cut off ({error})"
        ) from error


def _verify(source: Path, folder: Path) -> Backup:
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        raise CorruptFileError(f"{source} is no backup of a workspace: it has no {_MANIFEST}")
    facts: dict[str, Any] = read_json(manifest)
    if facts.get("format") != FORMAT:
        raise CorruptFileError(
            f"{source} is a backup of format {facts.get('format')}, this Beholder knows {FORMAT}"
        )
    difference = find_difference(facts["files"], hash_tree(folder / _FILES))
    if difference is not None:
        raise CorruptFileError(f"backup {source}: {difference}")
    return Backup(Path(facts["root"]), facts["made"], facts["files"])


def _move_artifacts(workspace: Workspace, old: Path, new: Path) -> None:
    """Tell MLflow's SQLite store where its artifacts lie now."""
    file = workspace.state / "mlflow.db"
    if not file.is_file() or old == new:
        return
    was, now = f"{old}/{STATE}/", f"{new}/{STATE}/"
    with closing(sqlite3.connect(file)) as store, store:
        for table, column in _PLACES:
            change = f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # noqa: S608
            where = f"WHERE substr({column}, 1, ?) = ?"
            store.execute(f"{change} {where}", (now, len(was) + 1, len(was), was))


def _move_remote(workspace: Workspace, old: Path) -> None:
    """Give a remote that was a path relative to the old place its whole path."""
    config = workspace.root / ".dvc/config"
    parser = ConfigParser()
    parser.read(config)
    for section in parser.sections():
        address = parser.get(section, "url", fallback=None)
        if address is not None and "://" not in address:
            parser.set(section, "url", os.path.normpath(old / ".dvc" / address))
    with config.open("w") as stream:
        parser.write(stream)

"""Batches in DVC: stored in cache and remote, fetched from there, and believed only when checked.

DVC ends with 0 on a full disk and hands out flipped bytes, so its word is never taken alone.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.batches import Batch, batch_folder, hash_batch, read_batches, verify_batch
from components.dvc import DvcRun, run_dvc
from components.errors import CorruptFileError, DataError, WorkspaceError
from components.files import parse_yaml
from components.paths import Workspace

# What the operating system says where there is no room: disk, quota, file size.
_FULL_MARKS = ("no space left", "disk quota exceeded", "file too large")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BadObject:
    """A file of DVC's cache or remote that does not hold what its name promises."""

    path: Path
    name: str
    state: str


def store_batch(workspace: Workspace, batch: Batch) -> None:
    """Add a batch to DVC and push it; safe to repeat.

    Raises WorkspaceError if the disk is full (with the sizes) or the remote cannot be reached,
    CorruptFileError naming the object whose bytes are not what they should be.
    """
    log.info("storing batch batch=%s", batch.id)
    target = _target(workspace, batch.id)
    _run(workspace, batch, "add", target)
    _run(workspace, batch, "status", f"{target}.dvc")
    _check_objects(workspace, batch, _cache(workspace))
    verify_batch(workspace, batch)
    _run(workspace, batch, "push", f"{target}.dvc")
    _run(workspace, batch, "status", "--cloud", f"{target}.dvc")
    remote = local_remote(workspace)
    if remote is not None:
        _check_objects(workspace, batch, remote / "files/md5")


def fetch_batch(workspace: Workspace, batch_id: str) -> bool:
    """Bring a listed batch back where its folder is missing or damaged; return whether it was.

    What is damaged in the cache goes first, for DVC would hand it out again. Raises DataError if
    no such batch is listed, CorruptFileError or WorkspaceError as above.
    """
    batch = next((batch for batch in read_batches(workspace) if batch.id == batch_id), None)
    if batch is None:
        raise DataError(f"no batch {batch_id!r} in {workspace.batch_list}; 'git pull' may bring it")
    if is_batch_intact(workspace, batch):
        return False
    log.info("fetching batch batch=%s", batch.id)
    for bad in list(_find_bad(workspace, batch, _cache(workspace))):
        if bad.path.exists():
            log.warning(
                "dropping a bad object path=%s file=%s state=%s", bad.path, bad.name, bad.state
            )
            bad.path.unlink()
    shutil.rmtree(batch_folder(workspace, batch.id), ignore_errors=True)
    _run(workspace, batch, "pull", f"{_target(workspace, batch.id)}.dvc")
    verify_batch(workspace, batch)
    return True


def is_batch_intact(workspace: Workspace, batch: Batch) -> bool:
    """Say whether a batch lies here and holds what the list promises."""
    folder = batch_folder(workspace, batch.id)
    try:
        return folder.is_dir() and hash_batch(folder) == batch.sha256
    except CorruptFileError:
        return False


def check_space(workspace: Workspace, size: int) -> None:
    """Raise WorkspaceError if `size` bytes do not fit here, and again in a remote on this disk."""
    remote = local_remote(workspace)
    copies = 2 if remote is not None and _device(remote) == _device(workspace.root) else 1
    free = shutil.disk_usage(workspace.root).free
    if copies * size > free:
        raise WorkspaceError(
            f"{_megabytes(copies * size)} are needed on the disk of {workspace.root} "
            f"({copies} × {_megabytes(size)}), {_megabytes(free)} are free; make room, then ingest "
            "again"
        )


def local_remote(workspace: Workspace) -> Path | None:
    """Return the folder of the default remote, None where it is no folder of this machine."""
    from dvc.config import Config

    config = Config(str(workspace.root / ".dvc"))
    name = config["core"].get("remote")
    url = config["remote"].get(name, {}).get("url") if name else None
    if not url:
        raise WorkspaceError(
            f"{workspace.root / '.dvc/config'} names no default remote; "
            "run 'dvc remote add -d storage ADDRESS'"
        )
    return None if "://" in url else Path(url)


def _target(workspace: Workspace, batch_id: str) -> str:
    return batch_folder(workspace, batch_id).relative_to(workspace.root).as_posix()


def _cache(workspace: Workspace) -> Path:
    return workspace.root / ".dvc/cache/files/md5"


def _run(workspace: Workspace, batch: Batch, command: str, *arguments: str) -> None:
    """Run a DVC command; raise by what its failure means."""
    # Quiet, `status` says by its exit code whether all is well; the others would hide the reason.
    quiet = ("--quiet",) if command == "status" else ()
    run = run_dvc(workspace, command, *quiet, *arguments, check=False)
    if run.returncode == 0:
        return
    _raise_if_full(workspace, batch, run)
    # DVC says of a missing or flipped object at most that something failed: find it ourselves.
    remote = local_remote(workspace)
    if remote is not None and (command == "pull" or "--cloud" in arguments):
        _check_objects(workspace, batch, remote / "files/md5")
    elif command == "status":
        _check_objects(workspace, batch, _cache(workspace))
    said = run.text.strip().splitlines()
    raise WorkspaceError(
        f"'dvc {command} {' '.join(arguments)}' failed in {workspace.root}: "
        f"{' '.join(said[-3:]) or 'it gave no reason'}; see 'dvc remote list' and "
        f"'dvc {command} -v {' '.join(arguments)}'"
    )


def _raise_if_full(workspace: Workspace, batch: Batch, run: DvcRun) -> None:
    size = _size(batch_folder(workspace, batch.id))
    said_so = any(mark in run.text.lower() for mark in _FULL_MARKS)
    if said_so or _tightest(workspace)[1] < size:
        raise full_disk(workspace, batch, size)


def full_disk(workspace: Workspace, batch: Batch, size: int) -> WorkspaceError:
    """Return the error of a batch of `size` bytes that found no room here or in the remote."""
    place, free = _tightest(workspace)
    return WorkspaceError(
        f"the disk is full: batch {batch.id} has {_megabytes(size)}, {_megabytes(free)} are free "
        f"at {place}; make room there, then run the same command again"
    )


def _tightest(workspace: Workspace) -> tuple[Path, int]:
    """Return where there is least room, here or in a remote on this machine, and how much."""
    remote = local_remote(workspace)
    places = [workspace.root] if remote is None else [workspace.root, _standing(remote)]
    return min(((place, shutil.disk_usage(place).free) for place in places), key=lambda at: at[1])


def _check_objects(workspace: Workspace, batch: Batch, store: Path) -> None:
    """Re-hash a batch's objects in a store; raise CorruptFileError for the first bad one."""
    bad = next(_find_bad(workspace, batch, store), None)
    if bad is None:
        return
    target = _target(workspace, batch.id)
    if store == _cache(workspace):
        mend = f"'rm -rf {bad.path} {workspace.root / target}', then ingest the same files again"
    else:
        # While the list of files is there, DVC takes all that it names for pushed.
        paths = dict.fromkeys([bad.path, _object(store, _read_top(workspace, batch))])
        remove = " ".join(str(path) for path in paths)
        mend = f"'rm -f {remove}', then 'dvc push {target}.dvc' where the batch is whole"
    raise CorruptFileError(
        f"batch {batch.id}: the DVC object {bad.path} ({bad.name}) is {bad.state}; run {mend}"
    )


def _find_bad(workspace: Workspace, batch: Batch, store: Path) -> Iterator[BadObject]:
    """Yield the objects of a batch that a store lacks, or holds with other bytes."""
    top = _read_top(workspace, batch)
    for md5, name in [(top, "the list of its files"), *_members(workspace, store, top)]:
        path = _object(store, md5)
        if not path.is_file():
            yield BadObject(path, name, "missing")
        elif _md5(path) != md5.removesuffix(".dir"):
            yield BadObject(path, name, "corrupt")


def _read_top(workspace: Workspace, batch: Batch) -> str:
    """Return the md5, as its .dvc file has it, of the list of a batch's files."""
    path = workspace.root / f"{_target(workspace, batch.id)}.dvc"
    try:
        return str(parse_yaml(path.read_text())["outs"][0]["md5"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"batch {batch.id}: {path} is missing or no DVC file; restore it with "
            f"'git checkout {path}', or ingest the same files again"
        ) from error


def _members(workspace: Workspace, store: Path, top: str) -> list[tuple[str, str]]:
    """Return (md5, name) of a folder's files, from the first intact list in store or cache."""
    for place in (store, _cache(workspace)):
        path = _object(place, top)
        if path.is_file() and _md5(path) == top.removesuffix(".dir"):
            return [(entry["md5"], entry["relpath"]) for entry in json.loads(path.read_bytes())]
    return []


def _object(store: Path, md5: str) -> Path:
    return store / md5[:2] / md5[2:]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _standing(path: Path) -> Path:
    """Return the nearest folder of a path that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _device(path: Path) -> int:
    return _standing(path).stat().st_dev


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

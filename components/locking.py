"""One step at a time in a workspace, and no step that outlives whoever started it."""

import fcntl
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.child import follow_parent
from components.errors import WorkspaceError

_POLL_SECONDS = 0.2
# Whoever only asks whether it is held (`is_held`) has it for a moment.
_PROBE_SECONDS = 0.1

log = logging.getLogger(__name__)


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent dies (Linux; elsewhere nothing happens).

    DVC killed with SIGKILL would otherwise leave its trainer alive, beside which the next run
    would start a second one.
    """
    if not follow_parent(os.getppid()):
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def hold_lock(path: Path, *, wait_seconds: float, what: str) -> Iterator[None]:
    """Hold an exclusive flock on `path`; the kernel frees it when the process ends, however.

    Raises WorkspaceError naming the holder's process id if it is not free in `wait_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + max(wait_seconds, _PROBE_SECONDS)
        said = False
        while not _try_lock(descriptor):
            holder = os.pread(descriptor, 32, 0).decode() or "unknown"
            if time.monotonic() > deadline:
                raise WorkspaceError(
                    f"{what} is in use by process {holder} (lock {path}); wait for it to end, "
                    f"or see what it does with 'ps -p {holder}'"
                )
            if not said:
                log.info("waiting for lock what=%s holder=%s", what, holder)
                said = True
            time.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    """Say whether a process holds the flock on `path` just now."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def hold_step_lock(run_folder: Path) -> Iterator[None]:
    """Hold the workspace's step lock: whoever started it, no two steps ever run at once."""
    with hold_lock(run_folder / "step.lock", wait_seconds=30, what="this workspace's pipeline"):
        yield

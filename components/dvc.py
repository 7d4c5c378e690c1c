"""Calling DVC as a child process: supervised, telemetry off, patient when another call holds it."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from components.child import interpreter_first, supervised
from components.errors import WorkspaceError
from components.paths import Workspace
from components.settings import TELEMETRY_OFF

_BUSY_MARKS = ("is busy", "Unable to acquire lock")
_BUSY_SECONDS = 120.0
_FIRST_PAUSE = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DvcRun:
    """What one call of DVC printed, line by line, and its exit status."""

    arguments: tuple[str, ...]
    lines: tuple[str, ...]
    returncode: int

    @property
    def text(self) -> str:
        """All that was printed."""
        return "\n".join(self.lines)


class DvcFailedError(WorkspaceError):
    """DVC ended with an error; the message ends with the last lines that it printed."""

    def __init__(self, run: DvcRun, place: Path) -> None:
        end = "\n".join(run.lines[-8:])
        super().__init__(f"'dvc {' '.join(run.arguments)}' failed in {place}:\n{end}")
        self.run = run


def run_dvc(workspace: Workspace, *arguments: str, check: bool = True) -> DvcRun:
    """Run `dvc ARGUMENTS` in the workspace and return what it printed.

    Waits and tries again while another DVC holds the lock. Raises DvcFailedError if it fails and
    `check` is set.
    """
    try:
        lines = tuple(follow_dvc(workspace, *arguments))
    except DvcFailedError as error:
        if check:
            raise
        return error.run
    return DvcRun(arguments, lines, 0)


def follow_dvc(workspace: Workspace, *arguments: str) -> Generator[str]:
    """Run `dvc ARGUMENTS` in the workspace and yield each line as it is printed.

    Waits and tries again while another DVC holds the lock; closing the generator ends DVC. Raises
    DvcFailedError if it fails.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    pause = _FIRST_PAUSE
    while True:
        run = yield from _follow_once(workspace, arguments)
        if run.returncode == 0:
            return
        busy = any(mark in run.text for mark in _BUSY_MARKS)
        if not busy or time.monotonic() > deadline:
            raise DvcFailedError(run, workspace.root)
        log.info("dvc is busy command=%s retry_in=%.1f", arguments[0], pause)
        time.sleep(pause)
        pause = min(2 * pause, 5)


def dvc_environment(workspace: Workspace) -> dict[str, str]:
    """Return the environment of a DVC child: this interpreter first on PATH, caches of its own."""
    return {
        **os.environ,
        **TELEMETRY_OFF,
        "PATH": interpreter_first(),
        "DVC_SITE_CACHE_DIR": str(workspace.dvc_state),
        "PYTHONUNBUFFERED": "1",
    }


def _follow_once(workspace: Workspace, arguments: tuple[str, ...]) -> Generator[str, None, DvcRun]:
    lines = []
    with subprocess.Popen(
        supervised([sys.executable, "-m", "dvc", *arguments]),
        cwd=workspace.root,
        env=dvc_environment(workspace),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                yield lines[-1]
        except GeneratorExit:
            process.terminate()
            raise
    return DvcRun(arguments, tuple(lines), process.returncode)

"""Calling DVC as a child process: supervised, telemetry off, patient when another call holds it."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

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


def run_dvc(
    workspace: Workspace,
    *arguments: str,
    on_line: Callable[[str], None] | None = None,
    check: bool = True,
) -> DvcRun:
    """Run `dvc ARGUMENTS` in the workspace and return what it printed.

    Waits and tries again while another DVC holds the lock. `on_line` hears each line as it comes.
    Raises WorkspaceError with DVC's own last lines if it fails and `check` is set.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    pause = _FIRST_PAUSE
    while True:
        run = _run_once(workspace, arguments, on_line)
        busy = run.returncode != 0 and any(mark in run.text for mark in _BUSY_MARKS)
        if not busy or time.monotonic() > deadline:
            break
        log.info("dvc is busy command=%s retry_in=%.1f", arguments[0], pause)
        time.sleep(pause)
        pause = min(2 * pause, 5)
    if check and run.returncode != 0:
        end = "\n".join(run.lines[-8:])
        raise WorkspaceError(f"'dvc {' '.join(arguments)}' failed in {workspace.root}:\n{end}")
    return run


def dvc_environment(workspace: Workspace) -> dict[str, str]:
    """Return the environment of a DVC child: this interpreter first on PATH, caches of its own."""
    return {
        **os.environ,
        **TELEMETRY_OFF,
        "PATH": interpreter_first(),
        "DVC_SITE_CACHE_DIR": str(workspace.dvc_state),
        "PYTHONUNBUFFERED": "1",
    }


def _run_once(
    workspace: Workspace, arguments: tuple[str, ...], on_line: Callable[[str], None] | None
) -> DvcRun:
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
        for line in process.stdout:
            lines.append(line.rstrip())
            if on_line is not None and line.strip():
                on_line(line.rstrip())
    return DvcRun(arguments, tuple(lines), process.returncode)

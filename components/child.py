"""`python -I child.py PARENT COMMAND…`: become COMMAND, and die when process PARENT dies.

Standard library only and run as a script, so that it costs a few milliseconds; the request to
the kernel survives exec, so COMMAND needs to know nothing of it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def supervised(command: Sequence[str], parent: int | None = None) -> list[str]:
    """Return the command line that runs `command` as a child which dies with its parent.

    `parent` is the process that will start it, this one if not given. The kernel watches the
    very thread that starts the child: start it from one that lives as long.
    """
    return [sys.executable, "-I", __file__, str(parent or os.getpid()), *command]


def interpreter_first() -> str:
    """Return PATH with this interpreter's folder first, so that `python` means this one."""
    folder = str(Path(sys.executable).parent)
    return os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])


def follow_parent(parent: int) -> bool:
    """Ask the kernel for SIGKILL when the parent dies (Linux only); False if it is dead already."""
    if sys.platform != "linux":
        return True
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def main() -> None:
    """Follow the parent, then replace this process by the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if not follow_parent(parent):
        sys.exit(f"the process {parent} that started {command[0]} has ended")
    os.execvp(command[0], command)  # noqa: S606 - replaced on purpose, no shell


if __name__ == "__main__":
    main()

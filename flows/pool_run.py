"""`python -m flows.pool_run`: become a work pool's flow run, in the environment of its workspace.

A pool's job is told where the workspace lies and nothing secret; the rest, passwords too, is found
there, before Prefect is imported.
"""

import os
import sys
from pathlib import Path

from components.errors import BeholderError, WorkspaceError
from components.paths import find_workspace
from flows.environment import build_environment


def main() -> None:
    """Replace this process by Prefect's engine, which runs what PREFECT__FLOW_RUN_ID names."""
    try:
        if "BEHOLDER_WORKSPACE" not in os.environ:
            raise WorkspaceError("BEHOLDER_WORKSPACE is not set; run 'beholder pool NAME' again")
        workspace = find_workspace(Path(os.environ["BEHOLDER_WORKSPACE"]))
        environment = {**os.environ, **build_environment(workspace)}
    except BeholderError as error:
        sys.exit(f"beholder: {error}")
    command = [sys.executable, "-m", "prefect.engine"]
    os.execve(command[0], command, environment)  # noqa: S606 - replaced on purpose, no shell


if __name__ == "__main__":
    main()

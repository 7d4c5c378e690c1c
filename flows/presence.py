"""Which flow runs of a workspace have a process that lives: each holds a lock while it does."""

import logging
import time
from contextlib import ExitStack
from pathlib import Path

from components.locking import hold_lock, is_held
from components.paths import Workspace

log = logging.getLogger(__name__)


# What this process has marked. A run that has ended tells Prefect so a moment later, and until
# then it must not seem to be gone: so only the kernel takes the marks away.
_marks = ExitStack()
_KEPT_SECONDS = 86_400.0


def mark_presence(workspace: Workspace) -> None:
    """Show that the flow run of now has a process, for as long as that lives."""
    from prefect.runtime import flow_run

    run_id = flow_run.get_id()
    if run_id is None:  # the function without its flow, as a test calls it
        return
    path = _presence_file(workspace, run_id)
    _marks.enter_context(hold_lock(path, wait_seconds=0, what=f"flow run {run_id}"))


def sweep_marks(workspace: Workspace) -> None:
    """Remove what processes that ended long ago have left."""
    for path in (workspace.run / "flows").glob("*.lock"):
        if path.stat().st_mtime < time.time() - _KEPT_SECONDS and not is_held(path):
            path.unlink(missing_ok=True)


def is_present(workspace: Workspace, run_id: str) -> bool:
    """Say whether a flow run has a process that lives."""
    return is_held(_presence_file(workspace, run_id))


def _presence_file(workspace: Workspace, run_id: str) -> Path:
    return workspace.run / "flows" / f"{run_id}.lock"

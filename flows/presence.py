"""Which flow runs of a workspace have a process that lives: each holds a lock while it does."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.runtime import flow_run

from components.locking import hold_lock, is_held
from components.paths import Workspace

log = logging.getLogger(__name__)


@contextmanager
def mark_presence(workspace: Workspace) -> Iterator[None]:
    """Show for the block that the flow run of now has a process; the kernel ends it with that."""
    run_id = flow_run.get_id()
    if run_id is None:  # the function without its flow, as a test calls it
        yield
        return
    path = _presence_file(workspace, run_id)
    with hold_lock(path, wait_seconds=0, what=f"flow run {run_id}"):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_present(workspace: Workspace, run_id: str) -> bool:
    """Say whether a flow run has a process that lives."""
    return is_held(_presence_file(workspace, run_id))


def _presence_file(workspace: Workspace, run_id: str) -> Path:
    return workspace.run / "flows" / f"{run_id}.lock"

"""What training beside the pipeline needs first: data, the steps up to `embed`, nobody else."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager

from components.batches import read_batches
from components.errors import WorkspaceError
from components.locking import hold_lock
from components.paths import Workspace
from flows.console import show_steps, step
from flows.pipeline import STAGES, find_stale, run_stages
from flows.stage_notes import read_note

_LAST = "embed"

log = logging.getLogger(__name__)


def require_data(workspace: Workspace) -> None:
    """Raise WorkspaceError, naming the next command, where nothing was ingested yet."""
    if not read_batches(workspace):
        raise WorkspaceError(
            f"nothing is ingested in {workspace.root} yet; "
            "run 'beholder ingest --items FILE --images DIR --ratings FILE'"
        )


@contextmanager
def hold_workspace(workspace: Workspace) -> Iterator[None]:
    """Keep other trainings out for the block; raise WorkspaceError where one is at work."""
    with hold_lock(workspace.work_lock, wait_seconds=0, what=str(workspace.root)):
        yield


def bring_up(workspace: Workspace) -> None:
    """Validate, split and embed, drawing each step; what is up to date is left alone.

    Raises StepFailedError, in the step's own words, if one fails.
    """
    with show_steps():
        draw_stages(workspace, STAGES[: STAGES.index(_LAST) + 1], stale=find_stale(workspace))


def draw_stages(workspace: Workspace, stages: Sequence[str], *, stale: Collection[str]) -> None:
    """Bring those of some stages that are stale up to date, drawing each as a step.

    Raises StepFailedError, in the step's own words, if one fails.
    """
    to_run = [stage for stage in stages if stage in stale]
    with closing(run_stages(workspace, to_run, log.info)) as runs:
        for stage in stages:
            with step(stage) as now:
                now.cached = stage not in stale or not next(runs).ran
                now.note = read_note(workspace, stage)

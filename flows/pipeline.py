"""Driving DVC: which steps are out of date, and running them one by one, heard line by line."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from components.costs import StepCost, read_cost
from components.dvc import run_dvc
from components.errors import BeholderError, WorkspaceError
from components.files import read_json
from components.paths import Workspace

STAGES = ("validate", "split", "embed", "train", "evaluate", "refit")

log = logging.getLogger(__name__)


class StepFailedError(BeholderError):
    """A step ended with an error of its own; the message is the step's."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


@dataclass(frozen=True)
class StageRun:
    """What became of one stage: `ran`, or what DVC had was still right.

    `cost` is None where it did not run, or did not tell.
    """

    stage: str
    ran: bool
    seconds: float
    cost: StepCost | None = None


def find_stale(workspace: Workspace) -> tuple[str, ...]:
    """Return the stages from the first one that is out of date on; empty if all are right.

    Raises WorkspaceError if a batch, which nobody may change, is not as it was ingested.
    """
    run = run_dvc(workspace, "status", "--json")
    # DVC may print warnings before the one line of JSON.
    status = json.loads(next(line for line in reversed(run.lines) if line.startswith("{")))
    changed = sorted(name for name in status if name.endswith(".dvc"))
    if changed:
        raise WorkspaceError(
            f"{changed[0].removesuffix('.dvc')} is not as it was ingested; "
            "'beholder fetch' brings it back"
        )
    stale = [stage for stage in STAGES if stage in status]
    return STAGES[STAGES.index(stale[0]) :] if stale else ()


def run_stage(workspace: Workspace, stage: str, on_line: Callable[[str], None]) -> StageRun:
    """Bring one stage up to date with `dvc repro --single-item`.

    Raises StepFailedError with the step's own message, or WorkspaceError if DVC itself failed.
    """
    started = time.monotonic()
    workspace.step_error.unlink(missing_ok=True)
    workspace.step_cost(stage).unlink(missing_ok=True)
    run = run_dvc(workspace, "repro", "--single-item", stage, on_line=on_line, check=False)
    seconds = time.monotonic() - started
    if run.returncode != 0:
        raise _explain(workspace, stage, run.lines)
    ran = any(line.startswith(f"Running stage '{stage}'") for line in run.lines)
    log.info("stage ended stage=%s ran=%s seconds=%.1f", stage, ran, seconds)
    return StageRun(stage, ran, seconds, read_cost(workspace, stage) if ran else None)


def _explain(workspace: Workspace, stage: str, lines: tuple[str, ...]) -> BeholderError:
    if workspace.step_error.is_file():
        return StepFailedError(stage, str(read_json(workspace.step_error)["message"]))
    end = "\n".join(lines[-12:])
    return StepFailedError(
        stage, f"it ended without a word of its own; the last lines of its output:\n{end}"
    )


def push_outputs(workspace: Workspace) -> int:
    """Copy every step's outputs to the remote, prove that they arrived, and return how many.

    `dvc push` exits with 0 on a full disk, so its word is checked by `dvc status --cloud`.
    """
    run_dvc(workspace, "push", "--quiet")
    run = run_dvc(workspace, "status", "--cloud", "--json")
    missing = json.loads(next(line for line in reversed(run.lines) if line.startswith("{")))
    if missing:
        raise WorkspaceError(
            f"{len(missing)} outputs are not in the DVC remote after 'dvc push' "
            f"(first: {next(iter(missing))}); see whether its disk is full, then run it again"
        )
    stages = yaml.safe_load(workspace.lock.read_text())["stages"].values()
    return sum(len(stage.get("outs", [])) for stage in stages)

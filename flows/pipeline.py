"""Driving DVC: which steps are out of date, and running them in turn, heard line by line."""

import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from components.costs import StepCost, read_cost
from components.dvc import DvcFailedError, follow_dvc, run_dvc
from components.errors import BeholderError, WorkspaceError
from components.files import parse_yaml, read_json
from components.paths import Workspace

STAGES = ("validate", "split", "embed", "train", "evaluate", "refit")

# How DVC says which stage it comes to, and which one failed.
_COMES = re.compile(r"(?:Running stage|Stage) '(\w+)'(?::| didn't change, | is cached - ).*")
_FAILED = re.compile(r"ERROR: failed to reproduce '(\w+)'")

log = logging.getLogger(__name__)


class StepFailedError(BeholderError):
    """A step ended with an error of its own; the message is its name and what it said."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(f"{stage}: {message}")
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


def run_stages(
    workspace: Workspace, stages: Sequence[str], on_line: Callable[[str], None]
) -> Generator[StageRun]:
    """Bring stages up to date, in the order given, and yield what became of each as it ends.

    One `dvc repro` does them all, and goes on to the next one while the caller looks at the last;
    closing the generator ends it. `on_line` hears each line of a stage before that is yielded.
    Raises StepFailedError with the step's own message if one fails.
    """
    if not stages:
        return
    workspace.step_error.unlink(missing_ok=True)
    for stage in stages:
        workspace.step_cost(stage).unlink(missing_ok=True)
    ahead, lines, started = deque(stages), list[str](), time.monotonic()

    def end_until(stage: str | None) -> Iterator[StageRun]:
        """End the stages before one that DVC came to; none if it is no stage that is ahead."""
        nonlocal started
        if stage not in (None, *ahead):
            return
        while ahead and ahead[0] != stage:
            now = time.monotonic()
            done = _end(workspace, ahead.popleft(), lines, now - started)
            started = now
            lines.clear()
            yield done

    with closing(follow_dvc(workspace, "repro", "--single-item", *stages)) as printed:
        try:
            for line in printed:
                if comes := _COMES.fullmatch(line):
                    yield from end_until(comes[1])
                lines.append(line)
                if line.strip():
                    on_line(line)
        except DvcFailedError as error:
            failed = next(filter(None, map(_FAILED.match, error.run.lines)), None)
            if failed:
                yield from end_until(failed[1])
            raise _explain(workspace, ahead[0], error.run.lines) from error
    yield from end_until(None)


def _end(workspace: Workspace, stage: str, lines: Sequence[str], seconds: float) -> StageRun:
    ran = f"Running stage '{stage}':" in lines
    log.info("stage ended stage=%s ran=%s seconds=%.1f", stage, ran, seconds)
    return StageRun(stage, ran, seconds, read_cost(workspace, stage) if ran else None)


def _explain(workspace: Workspace, stage: str, lines: Sequence[str]) -> BeholderError:
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
    stages = parse_yaml(workspace.lock.read_text())["stages"].values()
    return sum(len(stage.get("outs", [])) for stage in stages)

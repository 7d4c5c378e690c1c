"""The flow `retrain`: from the data to a verdict, and to a new champion where there is a better.

Every step is safe to repeat: a run that was killed is simply started again, and goes on.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from components.errors import BeholderError
from components.locking import hold_lock
from components.paths import Workspace
from components.triggering.policy import Kind
from flows.announcing import announce
from flows.console import step
from flows.judging import judge_beside_champion
from flows.pipeline import STAGES, StageRun, StepFailedError
from flows.stage_notes import read_note
from flows.succession import deploy_champion, rehearse_next
from flows.tasks import call

if TYPE_CHECKING:
    from components.params import Params
    from components.promotion.gate import Verdict
    from components.promotion.registry import Version
    from flows.tracking import TrackedRun

Decision = Literal[
    "promoted", "awaiting review", "rejected", "inconclusive", "unchanged", "skipped"
]

# The stages that write a history as they learn, and the phases in it.
_LIVE_PHASES = {"train": ("search", "evaluation"), "refit": ("served",)}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a retraining ended: what was decided, on which version, and why."""

    decision: Decision
    version: int | None
    reasons: tuple[str, ...]
    run_id: str | None = None


@flow(
    name="retrain",
    flow_run_name="retrain, {reason}",
    on_completion=[announce],
    on_failure=[announce],
)
def retrain(
    workspace: Annotated[str, Field(description="The workspace; leave it as it is.")],
    reason: Annotated[str, Field(description="Why; the run and its record in MLflow say so.")] = (
        "by hand"
    ),
    *,
    kind: Annotated[
        Kind | None,
        Field(description="What asks: hand, for a person. Empty: run at once, unasked."),
    ] = None,
    evidence: Annotated[
        dict[str, Any] | None, Field(description="What the reason rests on.")
    ] = None,
    key: Annotated[
        str | None, Field(description="What names this asking, so that it is heard once.")
    ] = None,
    round_number: Annotated[
        int | None, Field(description="A round of the book of triggers; leave it empty.")
    ] = None,
) -> State[Any]:
    """Bring a workspace's recommender up to date with its data, parameters and code.

    Ends as Promoted, AwaitingReview (where `review.policy` is required), Rejected, Inconclusive or
    Unchanged; as ValidationFailed where the data was refused before any training, as Failed where
    something else went wrong. One at a time in a workspace. Started by a trigger, it hears all who
    asked, waits for a run that is at work, and ends as Skipped where the policy says so; started
    in a terminal, it runs at once, and a second one fails and says which process is at work.
    """
    from flows.presence import mark_presence

    place = Workspace(Path(workspace))
    try:
        mark_presence(place)
        if kind is None and round_number is None:
            outcome = _retrain_now(place, reason)
        else:
            from flows.answering import Asker, answer

            asker = None if kind is None else Asker(kind, reason, evidence or {}, key)
            # A run of a round was asked for by whoever is in the book.
            asker = asker if round_number is None else None
            outcome = answer(place, asker, round_number, _retrain)
    except StepFailedError as error:
        name = "ValidationFailed" if error.stage == "validate" else "Failed"
        return Failed(name=name, message=str(error))
    except BeholderError as error:
        return Failed(message=str(error))
    return Completed(
        name=name_state(outcome.decision),
        message="; ".join(outcome.reasons),
        data=asdict(outcome),
    )


def _retrain_now(workspace: Workspace, reason: str) -> Outcome:
    from flows.run_page import close_abandoned_runs

    with hold_lock(workspace.work_lock, wait_seconds=0, what=f"{workspace.root} (retrain)"):
        close_abandoned_runs(workspace)
        return _retrain(workspace, reason)


def name_state(decision: str) -> str:
    """Return the name of the state that a decision ends in: AwaitingReview."""
    return decision.title().replace(" ", "")


def _retrain(workspace: Workspace, reason: str, tags: Mapping[str, str] | None = None) -> Outcome:
    from components.code import refresh_code
    from components.params import load_params
    from flows.candidate import find_finished, track
    from flows.pipeline import find_stale

    refresh_code(workspace)
    params = load_params(workspace.params)
    stale = find_stale(workspace)
    if not stale and (finished := find_finished(workspace)) is not None:
        for stage in STAGES:
            with step(stage) as now:
                now.cached = True
        return _unchanged(workspace, finished)
    run = track(workspace, params, reason, tags)
    try:
        outcome = _follow(workspace, params, run, stale)
    except BaseException as error:
        run.end("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    run.end("FINISHED")
    return outcome


def _unchanged(workspace: Workspace, version: "Version") -> Outcome:
    from components.promotion.moving import describe_withdrawal
    from flows.reviewing import explain, look

    scene = look(workspace)
    standing, withdrawal = scene.stand(version), scene.chain.position.withdrawn.get(version.number)
    reason, more = f"nothing changed since version {version.number}", tuple[str, ...]()
    if standing.state == "champion":
        deployed = deploy_champion(workspace)  # a run may have been killed before it came to this
        reason += ", the champion"
        if deployed.refusal is not None:
            reason += f"; {deployed.refusal}"
    elif withdrawal is not None:
        reason += f": {describe_withdrawal(withdrawal)}"
    else:
        said, more = explain(standing, scene.params)
        reason += f", {said}"
    return Outcome("unchanged", version.number, (reason, *more))


def _follow(
    workspace: Workspace, params: "Params", run: "TrackedRun", stale: tuple[str, ...]
) -> Outcome:
    from components.batches import read_batches
    from flows import candidate, releases
    from flows.lineage import read_lineage
    from flows.overlays import keep_accepted
    from flows.pipeline import push_outputs, run_stages
    from flows.run_page import show_report

    batches = read_batches(workspace)
    phases = [phase for stage in stale for phase in _LIVE_PHASES.get(stage, ())]
    with (
        run.tail_history(workspace.live_history, phases),
        closing(run_stages(workspace, stale, log.info)) as runs,
    ):
        for stage in STAGES:
            _finish_stage(workspace, stage, run, partial(next, runs) if stage in stale else None)
    # Whatever is deployed from now on knows what came in, and what was withdrawn.
    keep_accepted(workspace, batches)
    call("push", partial(push_outputs, workspace), lambda outs: f"{outs} outputs in the remote")
    finished = candidate.find_finished(workspace)
    if finished is not None:
        return _unchanged(workspace, finished)
    lineage = read_lineage(workspace, params)
    call(
        "log",
        lambda: candidate.log_results(workspace, run, lineage),
        lambda _: f"MLflow run {run.run_id}",
    )
    show_report(workspace.evaluation_report / "report.html")
    version = call(
        "register",
        lambda: candidate.register(workspace, run, lineage),
        lambda made: f"version {made.number}, lineage {lineage.lineage_id}",
    )
    champion = releases.find_champion(workspace)
    verdict = judge_beside_champion(
        workspace, params, version, champion, run, releases.package_bento
    )
    if verdict.decision != "promote" or params.review.policy == "required":
        return _leave(workspace, version.number, verdict, run.run_id)
    rehearse_next(workspace, version)
    call(
        "promote",
        lambda: candidate.promote(workspace, version, champion, verdict),
        lambda made: f"version {made.number} is champion",
    )
    deployed = deploy_champion(workspace)
    refusals = () if deployed.refusal is None else (deployed.refusal,)
    return Outcome("promoted", version.number, (*verdict.reasons, *refusals), run.run_id)


def _leave(workspace: Workspace, number: int, verdict: "Verdict", run_id: str) -> Outcome:
    """End without a new champion, and say who may do what about it."""
    from flows.reviewing import explain, look

    ends: dict[str, Decision] = {
        "promote": "awaiting review",
        "reject": "rejected",
        "inconclusive": "inconclusive",
    }
    scene = look(workspace)
    _, more = explain(scene.stand(scene.registry.version(number)), scene.params)
    return Outcome(ends[verdict.decision], number, (*verdict.reasons, *more), run_id)


def _finish_stage(
    workspace: Workspace, stage: str, run: "TrackedRun", end: Callable[[], StageRun] | None
) -> None:
    from flows.candidate import log_cost

    with step(stage) as now:
        result = await_stage.with_options(name=stage)(stage, end, return_state=True).result()
        log_cost(run, result)
        now.cached = not result.ran
        now.note = read_note(workspace, stage)


@task(cache_policy=NO_CACHE, persist_result=False)
def await_stage(stage: str, end: Callable[[], StageRun] | None) -> Any:
    """Wait for a stage's end, should it be at work; the task ends as Cached if it is up to date."""
    done = StageRun(stage, ran=False, seconds=0.0) if end is None else end()
    return done if done.ran else Completed(name="Cached", message="up to date", data=done)

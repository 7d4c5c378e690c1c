"""The flow `rollback`: back to a version that was champion, once its Bento has passed its trial.

Every step is safe to repeat: what a kill has left half done, the same command finishes.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from components.errors import BeholderError
from components.locking import hold_lock
from components.paths import Workspace
from flows.announcing import announce
from flows.tasks import call, describe_endpoint, describe_rehearsal, describe_trial

if TYPE_CHECKING:
    from components.packaging.trial import TrialReport
    from components.promotion.registry import Version
    from flows.rolling_back import Plan, Proof

# How fast a Bento answers was measured at length before it became champion.
_REQUESTS = 20
_STATES = {"rolled back": "RolledBack", "unchanged": "Unchanged"}


@dataclass(frozen=True)
class Outcome:
    """How a rollback ended: who is champion now and who was before, why, and where it answers."""

    decision: Literal["rolled back", "unchanged"]
    version: int
    left: int | None
    reason: str
    url: str | None


@flow(name="rollback", flow_run_name="rollback, {reason}", on_completion=[announce])
def rollback(
    workspace: str, reason: str, to: int | None = None, actor: str | None = None
) -> State[Any]:
    """Make the previous champion, or the version `to`, champion again.

    Ends as RolledBack, as Unchanged where that version is champion already, or as Failed. It does
    not wait for a retraining that runs: that one finds another champion than it was judged
    beside, and promotes nothing.
    """
    from flows.presence import mark_presence
    from flows.run_page import close_abandoned_runs

    place = Workspace(Path(workspace))
    try:
        mark_presence(place)
        lock = place.run / "rollback.lock"
        with hold_lock(lock, wait_seconds=0, what=f"{place.root} (rollback)"):
            close_abandoned_runs(place, "rollback")
            outcome = _roll_back(place, reason, to, actor)
    except BeholderError as error:
        return Failed(message=str(error))
    message = f"version {outcome.version}: {outcome.reason}"
    return Completed(name=_STATES[outcome.decision], message=message, data=asdict(outcome))


def _roll_back(workspace: Workspace, reason: str, to: int | None, actor: str | None) -> Outcome:
    from flows import rolling_back
    from flows.endpoint import redeploy

    plan = call("choose", lambda: rolling_back.choose(workspace, to), rolling_back.describe)
    number = plan.target.number
    if plan.is_to_move:
        proof = _try(workspace, plan, reason, actor)
        call(
            "move",
            lambda: rolling_back.move(workspace, plan, proof, reason, actor),
            lambda _: f"version {number} is champion",
        )
    deployed = call("deploy", lambda: redeploy(workspace, "if needed"), describe_endpoint)
    told = call(
        "ledger",
        lambda: rolling_back.conclude(workspace),
        lambda entry: "nothing to tell" if entry is None else f"entry {entry.number}",
    )
    if told is None:
        reason = f"version {number} is champion already"
        return Outcome("unchanged", number, None, reason, deployed.url)
    return Outcome("rolled back", number, told.evidence.get("from"), told.reason, deployed.url)


def _try(workspace: Workspace, plan: "Plan", reason: str, actor: str | None) -> "Proof":
    """Let a version that was tried once be rehearsed by the endpoint that runs, else try it anew.

    Raises ConflictError, and tells the ledger, if it does not pass.
    """
    from components.promotion.version import TRIAL_TAG
    from flows.deploying import rehearse
    from flows.releases import fetch_bento
    from flows.rolling_back import explain_failure, record_refusal

    target = plan.target
    call(
        "package",
        lambda: fetch_bento(workspace, target),
        lambda folder: f"Bento in {folder.relative_to(workspace.root)}",
    )
    proof: Proof | None = None
    if target.tags.get(TRIAL_TAG) == "passed":
        proof = call("rehearse", lambda: rehearse(workspace, target), describe_rehearsal)
    if proof is None:
        proof = call("trial", lambda: _try_briefly(workspace, target), describe_trial)
    if not proof.passed:
        record_refusal(workspace, plan, proof, reason, actor)
        raise explain_failure(plan, proof)
    return proof


def _try_briefly(workspace: Workspace, version: "Version") -> "TrialReport":
    from components.params import load_params
    from flows.candidate import try_bento
    from flows.releases import fetch_bento

    params = load_params(workspace.params)
    trial = params.trial.model_copy(update={"requests": min(params.trial.requests, _REQUESTS)})
    brief = params.model_copy(update={"trial": trial})
    return try_bento(workspace, version, fetch_bento(workspace, version), brief)

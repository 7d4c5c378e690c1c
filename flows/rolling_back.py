"""`beholder rollback`: whom to go back to, whether it may be, and the flow on a terminal."""

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from components.errors import BeholderError, ConflictError, ParameterError, WorkspaceError
from components.files import hash_json
from components.paths import Workspace
from components.promotion.chain import MAX_REASON, Entry
from components.promotion.comparison import Comparison
from components.promotion.registry import Registry, Version
from components.promotion.version import TRIAL_TAG
from flows.releases import COMPARISON_TAG, open_registry, require_champion

if TYPE_CHECKING:
    from flows.rollback_flow import Outcome


class Proof(Protocol):
    """That a version may answer, or why not: its trial, or its rehearsal by a running endpoint."""

    @property
    def passed(self) -> bool:
        """Whether it may."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, in words; empty if it may."""

    @property
    def content(self) -> str:
        """The hash of the release that was tried."""

    def to_json(self) -> dict[str, Any]:
        """Return all that was found."""


@dataclass(frozen=True)
class Plan:
    """Which version shall be champion instead of which; `is_to_move` unless it is already."""

    target: Version
    champion: Version | None
    is_to_move: bool


def choose(workspace: Workspace, to: int | None) -> Plan:
    """Return whom to make champion: version `to`, or the one that the champion replaced.

    A rollback that was cut off after the alias had moved is gone on with, not begun again.
    Raises WorkspaceError if there is nobody to go back to, ConflictError if it must not be.
    """
    registry = open_registry(workspace)
    registry.settle()
    champion, drift = registry.champion(), registry.find_drift()
    position = registry.ledger.read().position
    if to is not None:
        target = registry.version(to)
    elif champion is None:
        target = _find_last(registry, workspace)
    elif position.unfinished is not None and drift is None:
        target = champion
    else:
        target = _find_previous(registry, champion)
    is_by_hand = position.found is not None or drift is not None
    if champion is not None and target.number == champion.number and not is_by_hand:
        return Plan(target, champion, is_to_move=False)
    refuse_unfit(target, was_champion=registry.was_champion(target))
    return Plan(target, champion, is_to_move=True)


def describe(plan: Plan) -> str:
    """Return a plan in a line."""
    if plan.is_to_move:
        return f"version {plan.target.number} for {_name(plan.champion)}"
    return f"version {plan.target.number} is champion already"


def _name(champion: Version | None) -> str:
    return "no champion" if champion is None else f"version {champion.number}"


def explain_failure(plan: Plan, proof: Proof) -> ConflictError:
    """Return the error that says that a trial forbids a plan, and what to do."""
    return ConflictError(
        f"version {plan.target.number} failed its trial ({'; '.join(proof.reasons)}), so "
        f"{_name(plan.champion)} stays as it is; try again if the machine was busy, or name "
        "another version with --to"
    )


def _find_last(registry: Registry, workspace: Workspace) -> Version:
    """Return the last champion of the ledger, for an alias that somebody removed."""
    last = registry.ledger.read().position.champion
    return require_champion(workspace) if last is None else registry.version(last)


def _find_previous(registry: Registry, champion: Version) -> Version:
    previous = registry.previous()
    if previous is None:
        raise WorkspaceError(
            f"version {champion.number} replaced nobody, so there is none to go back to; "
            "'beholder ledger' shows all versions, --to names one of them"
        )
    return previous


def refuse_unfit(version: Version, *, was_champion: bool) -> None:
    """Raise ConflictError if a version must not be champion: nobody goes back past the gate."""
    why = _find_bad_numbers(version)
    if why is None and not was_champion:
        verdict, trial = version.verdict, version.tags.get(TRIAL_TAG, "missing")
        if trial != "passed":
            why = f"it was never champion, and its trial is {trial}"
        elif verdict is None or verdict.decision != "promote":
            said = "the gate never judged it" if verdict is None else f"it said {verdict.decision}"
            why = f"it was never champion, and the gate did not pass it: {said}"
    if why is not None:
        raise ConflictError(
            f"version {version.number} cannot be champion: {why}; 'beholder ledger' shows which "
            "versions were, --to names one of them"
        )


def _find_bad_numbers(version: Version) -> str | None:
    if COMPARISON_TAG not in version.tags:
        return None
    comparison = Comparison.from_json(json.loads(version.tags[COMPARISON_TAG]))
    candidate = comparison.candidate
    if candidate.non_finite:
        return f"{candidate.non_finite:,} of its predictions and weights are not finite"
    if comparison.rows and not math.isfinite(candidate.rmse.value):
        return "its RMSE is not a finite number"
    return None


def move(workspace: Workspace, plan: Plan, proof: Proof, reason: str, actor: str | None) -> None:
    """Make the plan's version champion, if the champion still is the one of the plan."""
    evidence = {"trial": hash_json(proof.to_json()), "bento": proof.content}
    open_registry(workspace).roll_back(
        plan.target, plan.champion, reason=reason, evidence=evidence, actor=actor
    )


def record_refusal(
    workspace: Workspace, plan: Plan, proof: Proof, reason: str, actor: str | None
) -> None:
    """Tell the ledger that a rollback was wanted, and that the trial forbade it."""
    open_registry(workspace).ledger.append(
        "refused",
        version=plan.target.number,
        reason=f"rollback wanted ({reason}), trial failed: {'; '.join(proof.reasons)}",
        evidence={
            "trial": hash_json(proof.to_json()),
            "from": plan.champion and plan.champion.number,
        },
        actor=actor,
    )


def conclude(workspace: Workspace) -> Entry | None:
    """Tell the ledger that the last rollback is done; return None if that is told already."""
    ledger = open_registry(workspace).ledger
    moved = ledger.read().position.unfinished
    if moved is None:
        return None
    kept = {name: moved.evidence[name] for name in ("from", "trial") if name in moved.evidence}
    return ledger.append(
        "rollback",
        version=moved.version,
        reason=moved.reason,
        evidence={**kept, "move": moved.sha256},
        actor=moved.actor,
    )


def roll_back_and_show(workspace: Workspace, to: int | None, reason: str) -> "Outcome":
    """Run the flow `rollback` in this process, drawing its steps, and print how it ended.

    Raises BeholderError with the run's own message if it failed.
    """
    from flows.console import show_steps
    from flows.retraining import connect_prefect

    refuse_reason(reason)
    choose(workspace, to)  # what is wrong here need not wait for a server
    with show_steps() as shown:
        connect_prefect(workspace)
        outcome = run_rollback(workspace, to, reason)
    now = "is champion already" if outcome.decision == "unchanged" else "is champion"
    instead = f" instead of version {outcome.left}" if outcome.left else ""
    shown.console.print(f"\nversion {outcome.version} {now}{instead}")
    shown.console.print(f"  {outcome.reason}", markup=False, soft_wrap=True)
    return outcome


def refuse_reason(reason: str) -> None:
    """Raise ParameterError if a reason says nothing, or more than the ledger takes."""
    if not reason.strip():
        raise ParameterError("the ledger wants a reason; say one with --reason '…'")
    if len(reason) > MAX_REASON:
        raise ParameterError(
            f"a reason of {len(reason):,} characters is too long for the ledger, which takes "
            f"{MAX_REASON:,}"
        )


def run_rollback(workspace: Workspace, to: int | None, reason: str) -> "Outcome":
    """Run the flow in this process; raise BeholderError with its own message if it failed."""
    from prefect.client.schemas.objects import State
    from prefect.exceptions import FailedRun

    from flows.retraining import quiet_root_logger
    from flows.rollback_flow import Outcome, rollback

    quiet_root_logger()
    state: State[Any] = rollback(str(workspace.root), reason, to, return_state=True)
    ended: Any = state.result(raise_on_failure=False)
    if state.is_completed():
        return Outcome(**ended)
    if isinstance(ended, Exception) and not isinstance(ended, FailedRun):
        raise ended
    raise BeholderError(state.message or f"the run ended as {state.name}")

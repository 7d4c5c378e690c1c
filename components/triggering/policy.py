"""Whether a retraining that was asked for shall run: pure, from askers, the data and the past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from components.params import Triggers

Kind = Literal["hand", "schedule", "data", "feedback", "drift", "online-rmse", "registry"]

# Who asks so is a person, who may know what no rule knows.
_BY_PERSON = frozenset({"hand", "registry"})
_DAY = 86_400.0
_HOUR = 3_600.0


@dataclass(frozen=True)
class Asked:
    """One who asked: what kind of trigger, why, by what evidence, and when (seconds since 1970)."""

    kind: str
    reason: str
    evidence: Mapping[str, Any]
    at: float


@dataclass(frozen=True)
class Past:
    """A round that was begun before: what asked for it, on which data, and what came of it.

    `params` is the digest of params.yaml. `outcome` is empty while it is at work or was cut off.
    """

    number: int
    kinds: frozenset[str]
    data_version: str
    params: str
    begun_at: float
    seconds: float
    outcome: str

    @property
    def has_trained(self) -> bool:
        """Whether it cost what the budget counts."""
        return self.outcome not in ("skipped", "unchanged")

    @property
    def is_answer(self) -> bool:
        """Whether asking the same again would bring the same: not where it failed by chance."""
        return self.outcome not in ("", "skipped", "failed")


@dataclass(frozen=True)
class Situation:
    """How things are as a round begins.

    `new_ratings` and `new_items` came in since the last version was learnt, `waiting_ratings` are
    in the feedback log and in no batch yet. `is_changed` says that older data, parameters or code
    are other ones than that version was learnt with, or that there is none.
    """

    now: float
    data_version: str
    params: str
    has_data: bool
    is_changed: bool
    new_ratings: int = 0
    new_items: int = 0
    waiting_ratings: int = 0
    past: tuple[Past, ...] = ()

    @property
    def new_rows(self) -> int:
        """All that no version has learnt from."""
        return self.new_ratings + self.new_items + self.waiting_ratings


@dataclass(frozen=True)
class Go:
    """Run it."""

    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Skip:
    """Do not run it; `again_at` says when who asked shall be heard again, None: not at all."""

    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    again_at: float | None = None


def decide(asked: Sequence[Asked], state: Situation, policy: Triggers) -> Go | Skip:
    """Say whether a round shall run, and why, with the numbers that this rests on.

    A person who asks is heard wherever there is data. Everybody else waits for the budget and for
    the pause after the last run, is told if the same was answered before, and needs new data.
    """
    evidence = describe(asked, state, policy)
    if not asked:
        return Skip("nobody asks any more: an earlier run has answered all", evidence)
    if not state.has_data:
        return Skip("nothing is ingested yet; run 'beholder ingest'", evidence)
    reason = "; ".join(dict.fromkeys(f"{one.kind}: {one.reason}" for one in asked))
    if any(one.kind in _BY_PERSON for one in asked):
        return Go(reason, evidence)
    for rule in (_find_answer, _find_lack, _find_overrun, _find_pause):
        refusal = rule(asked, state, policy)
        if refusal is not None:
            why, again_at = refusal
            return Skip(why, evidence, again_at)
    return Go(reason, evidence)


def describe(asked: Sequence[Asked], state: Situation, policy: Triggers) -> dict[str, Any]:
    """Return the evidence of a decision, as JSON takes it."""
    runs = find_lately(state)
    return {
        "asked": [
            {"kind": a.kind, "reason": a.reason, "evidence": dict(a.evidence)} for a in asked
        ],
        "data_version": state.data_version,
        "params": state.params,
        "changed": state.is_changed,
        "new": {
            "ratings": state.new_ratings,
            "items": state.new_items,
            "feedback": state.waiting_ratings,
            "least": policy.min_new_rows,
        },
        "day": {
            "runs": len(runs),
            "hours": round(sum(run.seconds for run in runs) / _HOUR, 3),
            "max_runs": policy.max_runs_a_day,
            "max_hours": policy.max_hours_a_day,
        },
    }


Refusal = tuple[str, float | None]


def _find_answer(asked: Sequence[Asked], state: Situation, _: Triggers) -> Refusal | None:
    """Return which rounds have answered the very same, asked for the same kind of reason."""
    if state.waiting_ratings:  # with them the data will be another version
        return None
    answers = [_answered_by(one, state) for one in asked]
    found = sorted({answer.number for answer in answers if answer is not None})
    if None in answers:
        return None
    numbers = ", ".join(map(str, found))
    return f"asked before on the same data and parameters, and answered in round {numbers}", None


def _answered_by(one: Asked, state: Situation) -> Past | None:
    same = (state.data_version, state.params)
    for past in reversed(state.past):
        if past.is_answer and one.kind in past.kinds and (past.data_version, past.params) == same:
            return past
    return None


def _find_lack(_: Sequence[Asked], state: Situation, policy: Triggers) -> Refusal | None:
    if state.is_changed or state.new_rows >= policy.min_new_rows:
        return None
    return (
        f"{state.new_rows:,} new ratings and items since the last training, "
        f"triggers.min_new_rows asks for {policy.min_new_rows:,}",
        None,
    )


def _find_overrun(_: Sequence[Asked], state: Situation, policy: Triggers) -> Refusal | None:
    """Return that the day's budget is spent, and when there will be some of it again."""
    runs = find_lately(state)
    hours = sum(run.seconds for run in runs) / _HOUR
    if runs and len(runs) >= policy.max_runs_a_day:
        # As many of the oldest must be a day old that one more fits.
        leaving = runs[len(runs) - policy.max_runs_a_day]
        said = f"{len(runs)} retrainings in 24 hours, triggers.max_runs_a_day allows "
        return f"{said}{policy.max_runs_a_day}", leaving.begun_at + _DAY
    if runs and hours >= policy.max_hours_a_day:
        said = f"{hours:.1f} hours of retraining in 24 hours, triggers.max_hours_a_day allows "
        return f"{said}{policy.max_hours_a_day:g}", _find_relief(runs, policy) + _DAY
    return None


def _find_relief(runs: Sequence[Past], policy: Triggers) -> float:
    """Return when the run began without which the others are within the budget of hours."""
    left = sum(run.seconds for run in runs) / _HOUR
    for run in runs:
        left -= run.seconds / _HOUR
        if left < policy.max_hours_a_day:
            return run.begun_at
    return runs[-1].begun_at


def _find_pause(_: Sequence[Asked], state: Situation, policy: Triggers) -> Refusal | None:
    ends = [past.begun_at + past.seconds for past in state.past if past.has_trained]
    again_at = max(ends, default=float("-inf")) + policy.pause_minutes * 60
    if state.now >= again_at:
        return None
    ago = (state.now - max(ends)) / 60
    said = f"the last retraining ended {ago:.0f} minutes ago, triggers.pause_minutes asks for "
    return f"{said}{policy.pause_minutes:g}", again_at


def find_lately(state: Situation) -> list[Past]:
    """Return what trained in the last 24 hours, the oldest first."""
    lately = [past for past in state.past if past.has_trained and past.begun_at > state.now - _DAY]
    return sorted(lately, key=lambda past: past.begun_at)

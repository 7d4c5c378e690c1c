"""The gate: a pure function from what was measured to promote, reject or inconclusive."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from components.errors import CorruptFileError
from components.params import Gate, Limits
from components.promotion.comparison import Comparison, Rung, Score
from components.promotion.findings import Decision, Finding, Versus, is_finite
from components.promotion.slice_rules import State, judge_slices
from components.statistics import Interval

_AGAIN = ("the machine may have been busy, so the next 'beholder retrain' tries it again",)
# The strictest first.
_ORDER: tuple[Decision, ...] = ("reject", "inconclusive", "promote")


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a candidate, and why: a refused candidate is a value, no error.

    `policy` is the section `gate` of params.yaml by which it was found, `slices` the state of each
    slice beside the champion. `again` says that nothing but time stands against the candidate: how
    long something took, on a machine that may have been busy. So it should be tried again.
    """

    decision: Decision
    reasons: tuple[str, ...]
    policy: Mapping[str, Any] = field(default_factory=dict)
    slices: Mapping[str, State] = field(default_factory=dict)
    again: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return verdict.json."""
        return {
            "decision": self.decision,
            "reasons": list(self.reasons),
            "policy": dict(self.policy),
            "slices": dict(self.slices),
            "again": self.again,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Verdict":
        """Read a verdict, of which only decision and reasons must be there.

        Raises CorruptFileError if it is none.
        """
        try:
            decision, reasons = content["decision"], tuple(map(str, content["reasons"]))
            policy, slices = dict(content.get("policy", {})), dict(content.get("slices", {}))
            again = content.get("again", False) is True
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CorruptFileError(f"this is no verdict: {error!r}; run the gate again") from error
        if decision not in get_args(Decision):
            raise CorruptFileError(f"this is no verdict: {decision!r}; run the gate again")
        return cls(decision, reasons, policy, slices, again)


@dataclass(frozen=True)
class TrialFacts:
    """What the trial found out about the packaged candidate; see `from_json` for the fields.

    Response times are those of lists, and of pictures where the name says so. `timed_out` is a
    failure by time alone.
    """

    passed: bool
    reasons: tuple[str, ...]
    max_difference: float
    latency_p50_ms: float
    latency_p99_ms: float
    memory_mb: float
    image_latency_p50_ms: float
    image_latency_p99_ms: float
    bundle_mb: float
    timed_out: bool = False

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TrialFacts":
        """Read trial.json; a number that is null is NaN, so it never passes.

        Raises CorruptFileError if a field is missing.
        """
        try:
            return cls(
                passed=content["passed"] is True,
                reasons=tuple(map(str, content["reasons"])),
                max_difference=_read_number(content["max_difference"]),
                latency_p50_ms=_read_number(content["latency_ms"]["p50"]),
                latency_p99_ms=_read_number(content["latency_ms"]["p99"]),
                memory_mb=_read_number(content["memory_mb"]),
                image_latency_p50_ms=_read_number(content["image_latency_ms"]["p50"]),
                image_latency_p99_ms=_read_number(content["image_latency_ms"]["p99"]),
                bundle_mb=_read_number(content["bundle_mb"]),
                timed_out=content["timed_out"] is True,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(
                f"this is no trial ({type(error).__name__}: {error}); try the Bento again"
            ) from error

    @property
    def failures(self) -> tuple[str, ...]:
        """Why this trial never lets anything pass; empty if it does."""
        if not self.passed:
            # What it did not come to measure is no reason of its own.
            found = tuple(f"the trial failed: {reason}" for reason in self.reasons)
            return found or ("the trial failed without saying why",)
        numbers = {
            "difference from the golden answers": self.max_difference,
            "median response time of lists": self.latency_p50_ms,
            "99th percentile of the response time of lists": self.latency_p99_ms,
            "median response time of pictures": self.image_latency_p50_ms,
            "99th percentile of the response time of pictures": self.image_latency_p99_ms,
            "memory": self.memory_mb,
            "bundle's size": self.bundle_mb,
        }
        return tuple(
            f"the trial's {name} is not a finite number ({value})"
            for name, value in numbers.items()
            if not math.isfinite(value)
        )


def judge(comparison: Comparison, trial: TrialFacts, gate: Gate) -> Verdict:
    """Decide on a candidate from its comparison and its trial alone.

    Rejected: a failed trial, any number of the candidate that is not finite, a candidate surely
    worse than the champion, in all or in a slice by more than its margin, or over a limit of its
    cost. Promoted: one whose interval of the difference to the champion lies wholly below zero
    with no slice standing against it or, where there is no champion, one better than every rung of
    the ladder. Everything else is inconclusive and keeps the champion.
    """
    policy = gate.model_dump(mode="json")
    wrong = describe_bad_numbers(comparison)
    if failures := (*trial.failures, *wrong):
        again = trial.timed_out and not (trial.passed or wrong)
        return Verdict("reject", (*failures, *_AGAIN[:again]), policy, again=again)
    models = _judge_models(comparison, gate)
    slow, large = _find_slow(trial, gate.limits), _find_large(trial, gate.limits)
    findings = sorted([*slow, *large, *models.findings], key=lambda one: _ORDER.index(one.decision))
    again = bool(slow) and {one.decision for one in (*large, *models.findings)} == {"promote"}
    reasons = (*models.before, *(finding.reason for finding in findings), *models.after)
    return Verdict(
        findings[0].decision, (*reasons, *_AGAIN[:again]), policy, models.slices, again=again
    )


@dataclass(frozen=True)
class _Models:
    """What the comparison says: findings, what is told before and after, the slices' states."""

    findings: list[Finding]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    slices: Mapping[str, State] = field(default_factory=dict)


def _judge_models(comparison: Comparison, gate: Gate) -> _Models:
    if doubts := _find_doubts(comparison, gate):
        return _Models([Finding("inconclusive", doubt) for doubt in doubts])
    champion, difference = comparison.champion, comparison.difference
    if champion is None or difference is None:
        before = ("no champion yet: judged by the ladder",)
        return _Models(_judge_against_ladder(comparison), before)
    slices = judge_slices(comparison, gate)
    overall = _judge_against_champion(comparison, champion, difference)
    return _Models([overall, *slices.against], (), slices.told, slices.states)


def _find_slow(trial: TrialFacts, limits: Limits) -> list[Finding]:
    measured = {
        "lists take a median of": (trial.latency_p50_ms, limits.max_latency_p50_ms),
        "lists take (99th percentile)": (trial.latency_p99_ms, limits.max_latency_p99_ms),
        "pictures take a median of": (trial.image_latency_p50_ms, limits.max_latency_p50_ms),
        "pictures take (99th percentile)": (trial.image_latency_p99_ms, limits.max_latency_p99_ms),
    }
    return [
        Finding("reject", f"too slow: {what} {value:.4g} ms, the limit is {limit:g} ms")
        for what, (value, limit) in measured.items()
        if not value <= limit
    ]


def _find_large(trial: TrialFacts, limits: Limits) -> list[Finding]:
    measured = {
        "the server takes": (trial.memory_mb, limits.max_memory_mb),
        "the bundle takes": (trial.bundle_mb, limits.max_bundle_mb),
    }
    return [
        Finding("reject", f"too large: {what} {value:.4g} MB, the limit is {limit:g} MB")
        for what, (value, limit) in measured.items()
        if not value <= limit
    ]


def describe_bad_numbers(comparison: Comparison) -> tuple[str, ...]:
    """Return which of the candidate's numbers are not finite; nothing if all are."""
    candidate = comparison.candidate
    if candidate.non_finite:
        bad = f"{candidate.non_finite:,} of the candidate's predictions and weights are not finite"
        return (bad,)
    # Without rows nobody has an RMSE: that is for the row count to say.
    if comparison.rows and not is_finite(candidate.rmse):
        return (f"the candidate's RMSE is not a finite number ({candidate.rmse.value})",)
    return ()


def _find_doubts(comparison: Comparison, gate: Gate) -> tuple[str, ...]:
    """Return why these numbers cannot tell the two models apart, whatever they are."""
    found = []
    if comparison.is_equal:
        digest = comparison.candidate.digest
        found.append(f"the candidate is the champion: both have digest {digest}")
    if comparison.level != gate.level:
        found.append(
            f"compared at level {comparison.level}, the gate asks for {gate.level}: compare again"
        )
    for name, count, least in (
        ("row(s)", comparison.rows, gate.min_rows),
        ("user(s)", comparison.users, gate.min_users),
    ):
        if count < least:
            found.append(
                f"{count:,} test {name} to compare on, {least:,} are needed "
                f"({comparison.learnt_by_champion:,} rows left out because the champion learnt "
                f"them, {comparison.learnt_by_candidate:,} because the candidate did)"
            )
    return tuple(found)


def _judge_against_champion(
    comparison: Comparison, champion: Score, difference: Interval
) -> Finding:
    if not is_finite(champion.rmse):
        reason = f"the champion {champion.digest} does not answer with finite numbers"
        return Finding("inconclusive", reason)
    numbers = _versus(comparison, "the champion", champion, difference)
    if not numbers.is_finite:
        return Finding("inconclusive", "the difference to the champion has no finite interval")
    if difference.value < 0 and difference.high < 0:
        return Finding("promote", f"better: {numbers}")
    if difference.low > 0:
        return Finding("reject", f"worse: {numbers}")
    return Finding("inconclusive", f"no clear difference: {numbers}")


def _judge_against_ladder(comparison: Comparison) -> list[Finding]:
    """Judge the first champion, where the other choice is not a model in service but none.

    So it must be better than each rung, but need not be so significantly: an interval across
    zero is said, and does not stop it. A rung of the candidate's own family is the candidate.
    """
    rungs = {
        name: rung
        for name, rung in comparison.ladder.items()
        if rung.score.family != comparison.candidate.family
    }
    if not rungs:
        return [Finding("inconclusive", "there is no ladder to compare with either")]
    return [_judge_against_rung(comparison, name, rung) for name, rung in sorted(rungs.items())]


def _judge_against_rung(comparison: Comparison, name: str, rung: Rung) -> Finding:
    difference = rung.difference
    numbers = _versus(comparison, name, rung.score, difference)
    if not is_finite(difference):
        return Finding("inconclusive", f"{name} does not answer with finite numbers")
    if difference.low > 0:
        return Finding("reject", f"worse: {numbers}")
    if difference.value >= 0:
        return Finding("inconclusive", f"not better: {numbers}")
    if difference.high >= 0:
        return Finding("promote", f"better, though not significantly: {numbers}")
    return Finding("promote", f"better: {numbers}")


def _versus(comparison: Comparison, name: str, other: Score, difference: Interval) -> Versus:
    return Versus(
        name,
        comparison.candidate.rmse,
        other.rmse,
        difference,
        comparison.level,
        comparison.rows,
        comparison.users,
    )


def _read_number(value: float | None) -> float:
    return math.nan if value is None else float(value)

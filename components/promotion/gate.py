"""The gate: a pure function from what was measured to promote, reject or inconclusive."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from components.errors import CorruptFileError
from components.params import Gate
from components.promotion.comparison import Comparison, Rung, Score
from components.statistics import Interval

Decision = Literal["promote", "reject", "inconclusive"]


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a candidate, and why: a refused candidate is a value, no error."""

    decision: Decision
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        return {"decision": self.decision, "reasons": list(self.reasons)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Verdict":
        """Read a verdict; raise CorruptFileError if it is none."""
        try:
            decision, reasons = content["decision"], tuple(map(str, content["reasons"]))
        except (KeyError, TypeError) as error:
            raise CorruptFileError(f"this is no verdict: {error!r}; run the gate again") from error
        if decision not in get_args(Decision):
            raise CorruptFileError(f"this is no verdict: {decision!r}; run the gate again")
        return cls(decision, reasons)


@dataclass(frozen=True)
class TrialFacts:
    """What the trial found out about the packaged candidate; see `from_json` for the fields."""

    passed: bool
    reasons: tuple[str, ...]
    max_difference: float
    latency_p50_ms: float
    latency_p99_ms: float
    memory_mb: float

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
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(
                f"this is no trial ({type(error).__name__}: {error}); try the Bento again"
            ) from error

    @property
    def failures(self) -> tuple[str, ...]:
        """Why this trial never lets anything pass; empty if it does."""
        found = [] if self.passed else [f"the trial failed: {reason}" for reason in self.reasons]
        if not self.passed and not found:
            found = ["the trial failed without saying why"]
        numbers = {
            "difference from the golden answers": self.max_difference,
            "median response time": self.latency_p50_ms,
            "99th percentile of the response time": self.latency_p99_ms,
            "memory": self.memory_mb,
        }
        found += [
            f"the trial's {name} is not a finite number ({value})"
            for name, value in numbers.items()
            if not math.isfinite(value)
        ]
        return tuple(found)


def judge(comparison: Comparison, trial: TrialFacts, gate: Gate) -> Verdict:
    """Decide on a candidate from its comparison and its trial alone.

    Rejected for good: a failed trial, any number of the candidate that is not finite, a candidate
    significantly worse. Promoted: one whose interval of the difference to the champion lies
    wholly below zero or, where there is no champion, one better than every rung of the ladder.
    Everything else is inconclusive and keeps the champion.
    """
    failures = (*trial.failures, *_describe_bad_numbers(comparison))
    if failures:
        return Verdict("reject", failures)
    doubts = _find_doubts(comparison, gate)
    if doubts:
        return Verdict("inconclusive", doubts)
    if comparison.champion is not None and comparison.difference is not None:
        return _judge_against_champion(comparison, comparison.champion, comparison.difference)
    return _judge_against_ladder(comparison)


def _describe_bad_numbers(comparison: Comparison) -> tuple[str, ...]:
    candidate = comparison.candidate
    if candidate.non_finite:
        bad = f"{candidate.non_finite:,} of the candidate's predictions and weights are not finite"
        return (bad,)
    # Without rows nobody has an RMSE: that is for the row count to say.
    if comparison.rows and not _is_finite(candidate.rmse):
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
) -> Verdict:
    if not _is_finite(difference) or not _is_finite(champion.rmse):
        reason = f"the champion {champion.digest} does not answer with finite numbers"
        return Verdict("inconclusive", (reason,))
    reason = _describe(comparison, "the champion", champion, difference)
    if difference.high < 0:
        return Verdict("promote", (f"better: {reason}",))
    if difference.low > 0:
        return Verdict("reject", (f"worse: {reason}",))
    return Verdict("inconclusive", (f"no clear difference: {reason}",))


def _judge_against_ladder(comparison: Comparison) -> Verdict:
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
        return Verdict("inconclusive", ("no champion and no ladder to compare with",))
    findings = [_judge_against_rung(comparison, name, rung) for name, rung in sorted(rungs.items())]
    decisions = {finding.decision for finding in findings}
    reasons = tuple(reason for finding in findings for reason in finding.reasons)
    for decision in ("reject", "inconclusive", "promote"):
        if decision in decisions:
            return Verdict(decision, ("no champion yet: judged by the ladder", *reasons))
    raise AssertionError(decisions)


def _judge_against_rung(comparison: Comparison, name: str, rung: Rung) -> Verdict:
    difference = rung.difference
    if not _is_finite(difference):
        return Verdict("inconclusive", (f"{name} does not answer with finite numbers",))
    reason = _describe(comparison, name, rung.score, difference)
    if difference.low > 0:
        return Verdict("reject", (f"worse: {reason}",))
    if difference.value >= 0:
        return Verdict("inconclusive", (f"not better: {reason}",))
    if difference.high >= 0:
        return Verdict("promote", (f"better, though not significantly: {reason}",))
    return Verdict("promote", (f"better: {reason}",))


def _describe(comparison: Comparison, name: str, other: Score, difference: Interval) -> str:
    return (
        f"RMSE {comparison.candidate.rmse.value:.4f}, {name} {other.rmse.value:.4f}, difference "
        f"{difference.value:+.4f} ({comparison.level:.4g} interval {difference.low:+.4f} to "
        f"{difference.high:+.4f}, {comparison.rows:,} rows of {comparison.users:,} users)"
    )


def _is_finite(interval: Interval) -> bool:
    return all(map(math.isfinite, (interval.value, interval.low, interval.high)))


def _read_number(value: float | None) -> float:
    return math.nan if value is None else float(value)

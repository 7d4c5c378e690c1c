"""The gate's rules for slices: none may get worse than its margin, and none passes unseen.

A promotion needs every slice to pass, so more slices make a wrong promotion no likelier (Berger,
1982, "Multiparameter hypothesis testing and acceptance sampling": an intersection-union test). More
slices do make a wrong rejection likelier; hence `floor`, which holds for all of them at once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.params import Gate
from components.promotion.comparison import Comparison, Part
from components.promotion.findings import Finding, Versus
from components.slices import kind_of
from components.statistics import Interval

# `holds`: the whole interval lies within the margin. `worse`: the floor lies beyond it.
State = Literal["holds", "unclear", "worse", "too few rows"]


_NOTHING = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class SliceFindings:
    """What stands against a promotion, what is merely told, and the state of each slice."""

    against: tuple[Finding, ...]
    told: tuple[str, ...]
    states: Mapping[str, State]


def judge_slices(comparison: Comparison, gate: Gate) -> SliceFindings:
    """Judge every slice of a comparison with a champion.

    Surely beyond its margin: rejects. Measured beyond it, or not finite, or in `must_hold` and not
    shown to be within it: inconclusive. A slice with too few rows is told, and inconclusive if it
    is in `must_hold`; so is one of `must_hold` that has no rows at all.
    """
    states = {name: _find_state(name, part, gate) for name, part in comparison.slices.items()}
    against = [
        finding
        for name, part in comparison.slices.items()
        if (finding := _find_against(name, part, states[name], comparison, gate)) is not None
    ]
    present = {kind_of(name) for name in comparison.slices}
    against += [
        Finding(
            "inconclusive", f"no test row is in {kind}, which must hold (gate.slices.must_hold)"
        )
        for kind in gate.slices.must_hold
        if kind not in present
    ]
    return SliceFindings(tuple(against), _tell(comparison, states, gate), states)


def _find_state(name: str, part: Part, gate: Gate) -> State:
    slices = gate.slices
    if part.rows < slices.min_rows or part.users < slices.min_users:
        return "too few rows"
    margin = slices.margin_of(kind_of(name))
    if part.difference is None or not _versus(part, 0.0).is_finite:
        return "unclear"
    if part.floor is not None and part.floor > margin:
        return "worse"
    is_within = part.difference.value <= margin and part.difference.high <= margin
    return "holds" if is_within else "unclear"


def _find_against(
    name: str, part: Part, state: State, comparison: Comparison, gate: Gate
) -> Finding | None:
    """Return what speaks against a promotion in one slice; None if nothing does."""
    must_hold = kind_of(name) in gate.slices.must_hold
    if state == "too few rows":
        reason = f"too few rows to say in {name}, which must hold: {_count(part)}, {_needed(gate)}"
        return Finding("inconclusive", reason) if must_hold else None
    numbers = _versus(part, comparison.level)
    margin = gate.slices.margin_of(kind_of(name))
    if state == "worse":
        sure = f"by {part.floor:+.4f} at least with all slices looked at, the margin is {margin:g}"
        return Finding("reject", f"worse in {name}, {sure}: {numbers}")
    if not numbers.is_finite:
        return Finding("inconclusive", f"no finite difference in {name} ({_count(part)})")
    if numbers.difference.value > margin:
        return Finding("inconclusive", f"perhaps worse in {name}, margin {margin:g}: {numbers}")
    if must_hold and state != "holds":
        reason = f"not sure within the margin {margin:g} in {name}, which must hold: {numbers}"
        return Finding("inconclusive", reason)
    return None


def _tell(comparison: Comparison, states: Mapping[str, State], gate: Gate) -> tuple[str, ...]:
    """Return one line a state that stands against nothing: what holds, is unclear, is too small."""
    holding = _named(comparison, states, "holds")
    told = []
    if holding:
        name, part = max(holding.items(), key=lambda pair: _value(pair[1]))
        what = f"within its margin in {len(holding)} slices, least so in {name}"
        told.append(f"{what}: {_versus(part, comparison.level)}")
    unclear = [
        f"{name} ({part.difference.value:+.4f}, up to {part.difference.high:+.4f})"
        for name, part in _named(comparison, states, "unclear").items()
        if part.difference is not None
        and part.difference.value <= gate.slices.margin_of(kind_of(name))
    ]
    if unclear:
        told.append(f"not sure within the margin in {', '.join(unclear)}")
    small = [
        f"{name} ({_count(part)})"
        for name, part in _named(comparison, states, "too few rows").items()
    ]
    if small:
        told.append(f"too few rows to say in {', '.join(small)}; {_needed(gate)}")
    return tuple(told)


def _named(comparison: Comparison, states: Mapping[str, State], state: State) -> dict[str, Part]:
    return {name: part for name, part in comparison.slices.items() if states[name] == state}


def _value(part: Part) -> float:
    return float("-inf") if part.difference is None else part.difference.value


def _versus(part: Part, level: float) -> Versus:
    return Versus(
        "the champion",
        part.candidate,
        part.champion or _NOTHING,
        part.difference or _NOTHING,
        level,
        part.rows,
        part.users,
    )


def _count(part: Part) -> str:
    return f"{part.rows:,} rows of {part.users:,} users"


def _needed(gate: Gate) -> str:
    return f"{gate.slices.min_rows:,} rows of {gate.slices.min_users:,} users are needed"

"""The forest plot of a review: differences with their intervals, zero and margins on one scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.pages.figures import Mark, Scale, make_ticks
from components.pages.words import describe_gain, name_family, name_slice, order_slices
from components.promotion.comparison import Comparison, Part, Score
from components.promotion.findings import is_finite
from components.promotion.gate import Verdict
from components.slices import EVERY_ROW, kind_of
from components.statistics import Interval

_FEW = "too few rows"
_STATES = {
    "holds": ("within margin", "fine"),
    "unclear": ("not sure", "doubt"),
    "worse": ("worse", "worse"),
    _FEW: (_FEW, "doubt"),
}
_GAINS = {
    "better": ("better", "better"),
    "worse": ("worse", "worse"),
    "a tie": ("a tie", "muted"),
    "no number": ("no number", "worse"),
}


_NOTHING = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Row:
    """One line of the plot: `mark` is None where no interval is drawn, and `word` says why.

    `css` colours the word and the mark. `allowed` is the margin in rating points, `margin` where it
    stands, in percent.
    """

    label: str
    rows: int
    users: int
    candidate: Interval
    other: Interval
    difference: Interval
    mark: Mark | None
    word: str
    css: str
    margin: float | None = None
    allowed: float | None = None
    is_whole: bool = False
    must_hold: bool = False


@dataclass(frozen=True)
class Forest:
    """The lines, where zero stands, and the ticks of the axis by their places, in percent."""

    lines: tuple[Row, ...]
    zero: float
    ticks: tuple[tuple[float, str], ...]


def plot_slices(comparison: Comparison, verdict: Verdict) -> Forest | None:
    """Return the candidate against the champion, overall and by slice; None without a champion."""
    difference, champion = comparison.difference, comparison.champion
    if difference is None or champion is None:
        return None
    rules = _Rules(verdict)
    judged = [
        part.difference or _NOTHING
        for name, part in comparison.slices.items()
        if rules.find_state(name, part) != _FEW
    ]
    margins = [
        margin for name in comparison.slices if (margin := rules.margin_of(name)) is not None
    ]
    scale = _scale([difference, *judged], margins)
    whole = _draw_whole(comparison, champion, difference, scale)
    lines = [
        _draw_slice(name, comparison.slices[name], rules, scale)
        for name in order_slices({name: part.rows for name, part in comparison.slices.items()})
    ]
    return _finish([whole, *lines], scale)


def plot_overall(comparison: Comparison) -> Forest | None:
    """Return the line of all rows alone, on a scale of its own; None without a champion."""
    difference, champion = comparison.difference, comparison.champion
    if difference is None or champion is None:
        return None
    scale = _scale([difference], [])
    return _finish([_draw_whole(comparison, champion, difference, scale)], scale)


def plot_ladder(comparison: Comparison) -> Forest | None:
    """Return the candidate against each rung of the ladder; None where nobody compared them."""
    if not comparison.ladder:
        return None
    scale = _scale([rung.difference for rung in comparison.ladder.values()], [])
    lines = []
    for name, rung in comparison.ladder.items():
        word, css = _GAINS[describe_gain(rung.difference)]
        lines.append(
            Row(
                label=name_family(name),
                rows=comparison.rows,
                users=comparison.users,
                candidate=comparison.candidate.rmse,
                other=rung.score.rmse,
                difference=rung.difference,
                mark=_mark(scale, rung.difference),
                word=word,
                css=css,
            )
        )
    # The rung that is hardest to beat comes first.
    lines.sort(key=lambda line: (not _is_number(line.other), line.other.value, line.label))
    return _finish(lines, scale)


class _Rules:
    """What a verdict says of slices, with the policy that it was found by."""

    def __init__(self, verdict: Verdict) -> None:
        self._states = verdict.slices
        self._policy: Mapping[str, Any] = verdict.policy.get("slices", {})

    def margin_of(self, name: str) -> float | None:
        margin = self._policy.get("margins", {}).get(kind_of(name), self._policy.get("margin"))
        return None if margin is None else float(margin)

    def must_hold(self, name: str) -> bool:
        return kind_of(name) in self._policy.get("must_hold", ())

    def find_state(self, name: str, part: Part) -> str | None:
        """Return a slice's state; None where the gate never came to judge it."""
        least = self._policy.get("min_rows", 0), self._policy.get("min_users", 0)
        if part.rows < least[0] or part.users < least[1]:
            return _FEW
        return self._states.get(name)


def _draw_whole(comparison: Comparison, champion: Score, difference: Interval, scale: Scale) -> Row:
    word, css = _GAINS[describe_gain(difference)]
    return Row(
        label=name_slice(EVERY_ROW),
        rows=comparison.rows,
        users=comparison.users,
        candidate=comparison.candidate.rmse,
        other=champion.rmse,
        difference=difference,
        mark=_mark(scale, difference),
        word=word,
        css=css,
        is_whole=True,
    )


def _draw_slice(name: str, part: Part, rules: _Rules, scale: Scale) -> Row:
    state, margin = rules.find_state(name, part), rules.margin_of(name)
    difference = part.difference or _NOTHING
    gain = describe_gain(difference)
    is_better = state == "holds" and gain == "better"
    word, css = _GAINS[gain] if state is None or is_better else _STATES[state]
    return Row(
        label=name_slice(name),
        rows=part.rows,
        users=part.users,
        candidate=part.candidate,
        other=part.champion or _NOTHING,
        difference=difference,
        mark=None if state == _FEW else _mark(scale, difference),
        word=word,
        css=css,
        margin=None if margin is None else scale.place(margin),
        allowed=margin,
        must_hold=rules.must_hold(name),
    )


def _finish(lines: Sequence[Row], scale: Scale) -> Forest:
    ticks = [tick for tick in make_ticks(scale.low, scale.high) if scale.low <= tick <= scale.high]
    named = tuple((scale.place(tick), _sign(tick)) for tick in ticks)
    return Forest(tuple(lines), scale.place(0.0), named)


def _scale(intervals: Sequence[Interval], margins: Sequence[float]) -> Scale:
    return Scale.around([*intervals, *(Interval(one, one, one) for one in (0.0, *margins))])


def _mark(scale: Scale, interval: Interval) -> Mark | None:
    return scale.mark(interval) if is_finite(interval) else None


def _is_number(interval: Interval) -> bool:
    return math.isfinite(interval.value)


def _sign(tick: float) -> str:
    return f"{tick:+g}".replace("-", "−") if tick else "0"

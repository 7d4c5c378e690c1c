"""The report's figures: positions on a scale for bars of HTML, and small SVG line charts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.statistics import Interval

_WIDTH, _HEIGHT = 360, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 34
_TICKS = 5


@dataclass(frozen=True)
class Mark:
    """Where an interval stands on a scale, in percent of the scale's width."""

    low: float
    width: float
    value: float


@dataclass(frozen=True)
class Scale:
    """A range of numbers that is drawn as a line from left to right."""

    low: float
    high: float

    @classmethod
    def around(cls, intervals: Sequence[Interval]) -> "Scale":
        """Return a scale on which all intervals can be seen, with some room on both sides."""
        ends = [end for i in intervals for end in (i.low, i.high, i.value) if math.isfinite(end)]
        if not ends:
            return cls(0, 1)
        room = max((max(ends) - min(ends)) * 0.06, 1e-3)
        return cls(min(ends) - room, max(ends) + room)

    def place(self, value: float) -> float:
        """Return where a value stands, in percent."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def mark(self, interval: Interval) -> Mark | None:
        """Return where an interval stands; None if it is not finite."""
        if not math.isfinite(interval.value):
            return None
        low, high = self.place(interval.low), self.place(interval.high)
        return Mark(low, round(high - low, 2), self.place(interval.value))


@dataclass(frozen=True)
class Line:
    """Points to be joined, and the CSS class that colours them."""

    name: str
    css: str
    xs: Sequence[float]
    ys: Sequence[float]
    dots: bool = False


def draw_lines(
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    square: bool = False,
    width: int = _WIDTH,
    reach: Sequence[tuple[float, float]] = (),
) -> str:
    """Return an SVG of lines over common axes; `square` gives both axes one range.

    `reach` are points that the axes reach too, so that little is not drawn as much.
    Colours come from the page's style sheet, so that one drawing serves light and dark.
    """
    xs = [x for line in lines for x in line.xs]
    ys = [y for line in lines for y in line.ys if math.isfinite(y)]
    if not xs or not ys:
        return ""
    xs, ys = [*xs, *(x for x, _ in reach)], [*ys, *(y for _, y in reach)]
    x_ticks, y_ticks = make_ticks(min(xs), max(xs)), make_ticks(min(ys), max(ys))
    if square:
        x_ticks = y_ticks = make_ticks(min(xs + ys), max(xs + ys))
    across = _Axis(x_ticks, _LEFT, width - _RIGHT)
    down = _Axis(y_ticks, _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg viewBox="0 0 {width} {_HEIGHT}" role="img" aria-label="{y_label} by {x_label}">',
        *_draw_axes(across, down, x_label),
        *(part for line in lines for part in _draw_line(line, across, down)),
        "</svg>",
    ]
    return "".join(parts)


def make_ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers from below `low` to above `high`."""
    span = max(high - low, 1e-6)
    raw = span / (_TICKS - 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True)
class _Axis:
    ticks: Sequence[float]
    start: float
    end: float

    def place(self, value: float) -> float:
        share = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return round(self.start + share * (self.end - self.start), 2)


def _draw_axes(across: _Axis, down: _Axis, x_label: str) -> list[str]:
    parts = []
    for tick in down.ticks:
        y = down.place(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{across.end:g}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick end" x="{_LEFT - 6}" y="{y + 3.5}">{tick:g}</text>')
    for tick in across.ticks:
        x, y = across.place(tick), _HEIGHT - _BOTTOM + 14
        parts.append(f'<text class="tick middle" x="{x}" y="{y}">{tick:g}</text>')
    middle = (_LEFT + across.end) / 2
    parts.append(f'<text class="tick middle" x="{middle}" y="{_HEIGHT - 4}">{x_label}</text>')
    return parts


def _draw_line(line: Line, across: _Axis, down: _Axis) -> list[str]:
    points = [
        (across.place(x), down.place(y))
        for x, y in zip(np.asarray(line.xs).tolist(), np.asarray(line.ys).tolist(), strict=True)
        if math.isfinite(y)
    ]
    joined = " ".join(f"{x},{y}" for x, y in points)
    parts = [f'<polyline class="line {line.css}" points="{joined}"/>']
    if line.dots:
        parts += [f'<circle class="dot {line.css}" cx="{x}" cy="{y}" r="3.5"/>' for x, y in points]
    return parts

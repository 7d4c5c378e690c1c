"""Ticks, scales and lines."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.pages.figures import Line, Scale, draw_lines, make_ticks
from components.statistics import Interval

numbers = st.floats(-1e4, 1e4, allow_nan=False)


@given(numbers, numbers)
def test_ticks_rise_and_reach_around_what_they_show(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    ticks = make_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert all(before < after for before, after in pairwise(ticks))
    assert ticks[0] <= low + 1e-6
    assert ticks[-1] >= high - 1e-6


def test_ticks_are_round() -> None:
    assert make_ticks(0.71, 0.99) == [0.7, 0.8, 0.9, 1.0]


def test_interval_stands_on_its_scale() -> None:
    intervals = [Interval(1, 0.5, 2), Interval(3, 2.5, 4)]
    scale = Scale.around(intervals)
    marks = [scale.mark(interval) for interval in intervals]
    assert all(mark is not None and 0 < mark.low < mark.value < 100 for mark in marks)
    assert scale.place(scale.low) == 0
    assert scale.place(scale.high) == 100


def test_interval_that_is_not_finite_has_no_mark() -> None:
    nothing = Interval(math.nan, math.nan, math.nan)
    assert Scale.around([nothing]).mark(nothing) is None


def test_lines_leave_out_what_is_not_finite() -> None:
    drawn = draw_lines([Line("a", "ours", [1, 2, 3], [1, math.nan, 2])], x_label="x", y_label="y")
    assert drawn.count("<polyline") == 1
    assert "nan" not in drawn


@pytest.mark.parametrize("ys", [[], [math.nan]])
def test_nothing_to_draw_is_no_drawing(ys: list[float]) -> None:
    assert draw_lines([Line("a", "ours", [1] * len(ys), ys)], x_label="x", y_label="y") == ""

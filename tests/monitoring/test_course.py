"""The drawing of the online RMSE by time: axes that can be read, however short or long ago."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.monitoring.course import draw_course
from components.monitoring.rmse import Course
from tests.monitoring.making import look

NOW = 1e9  # 9 Sep 2001, 01:46:40 UTC


def draw(seconds: float, *, ago: float = 0.0, stretches: int = 5, rmse: float = 0.8) -> list[str]:
    """Return what is written along the time axis of ratings over so many seconds, so long ago."""
    ends = [NOW - ago - seconds * k / stretches for k in range(stretches, -1, -1)]
    course = tuple(
        Course("3", since, until, 50, rmse + 0.01 * (k % 2))
        for k, (since, until) in enumerate(pairwise(ends))
    )
    drawn = draw_course([look(NOW, course=course)], course, {"3": "ours"}, 360)
    return re.findall(r'class="tick middle"[^>]*>([^<]+)<', drawn)


@pytest.mark.parametrize(
    ("seconds", "label"),
    [
        (3, "seconds up to 9 Sep 2001, 01:46:40 UTC"),
        (110, "seconds up to 9 Sep 2001, 01:46:40 UTC"),
        (600, "minutes up to 9 Sep 2001, 01:46:40 UTC"),
        (10 * 3600, "hours up to 9 Sep 2001, 01:46 UTC"),
        (9 * 86_400, "days up to 9 Sep 2001, 01:46 UTC"),
    ],
)
def test_time_is_told_in_the_unit_that_fits(seconds: float, label: str):
    *ticks, says = draw(seconds)
    assert says == label
    assert ticks[-1] == "0"
    assert len(set(ticks)) == len(ticks) >= 3


def test_seconds_of_days_ago_are_seconds():
    *ticks, says = draw(4, ago=3 * 86_400)
    assert says == "seconds up to 6 Sep 2001, 01:46:40 UTC"
    assert ticks == ["-4", "-3", "-2", "-1", "0"]


def test_ratings_of_one_moment_and_one_rmse_are_drawn_on_axes_that_can_be_read():
    course = (Course("3", NOW - 100, NOW - 100, 50, 0.8),)
    drawn = draw_course([look(NOW, course=course, online=())], course, {"3": "ours"}, 360)
    ticks = re.findall(r'class="tick \w+"[^>]*>([^<]+)<', drawn)
    assert ticks[:5] == ["0.79", "0.795", "0.8", "0.805", "0.81"]
    assert ticks[5:-1] == ["-4", "-3", "-2", "-1", "0"]


@given(st.floats(0, 1e8), st.floats(0, 1e8))
def test_no_two_labels_are_the_same_and_all_are_short(seconds: float, ago: float):
    *ticks, _ = draw(seconds, ago=ago)
    assert len(set(ticks)) == len(ticks)
    assert max(len(tick) for tick in ticks) <= 6

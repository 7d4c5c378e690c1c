from components.statistics import Interval
from components.tuning.choice import Choice
from components.tuning.study import Tried

PRESENT = Tried(0, {"prior": 5.0}, "complete", 0.9, 3, 1.0)
BEST = Tried(4, {"prior": 2.0}, "complete", 0.85, 3, 1.0)
DIVERGED = Tried(0, {"prior": 5.0}, "diverged", None, None, 1.0)


def test_gain_beyond_chance_is_better():
    choice = Choice(PRESENT, BEST, Interval(-0.05, -0.06, -0.04))
    assert choice.is_better
    assert "-0.0500 (-0.0600 to -0.0400)" in choice.reason


def test_gain_that_may_be_chance_is_not():
    choice = Choice(PRESENT, BEST, Interval(-0.05, -0.11, 0.01))
    assert not choice.is_better
    assert "no better than by chance" in choice.reason


def test_interval_that_is_no_number_is_not():
    nan = float("nan")
    assert not Choice(PRESENT, BEST, Interval(nan, nan, nan)).is_better


def test_present_values_that_are_the_best_stay():
    choice = Choice(PRESENT, PRESENT, None)
    assert not choice.is_better
    assert "are the best that were tried" in choice.reason


def test_anything_that_learns_is_better_than_what_does_not():
    choice = Choice(DIVERGED, BEST, None)
    assert choice.is_better
    assert "do not learn" in choice.reason


def test_where_nothing_learns_nothing_is_better():
    choice = Choice(DIVERGED, None, None)
    assert not choice.is_better
    assert "no trial came to a result" in choice.reason

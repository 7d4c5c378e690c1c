import numpy as np
import pytest

from components.monitoring.checks import judge
from components.monitoring.reference import Rated
from components.monitoring.rmse import find_rise, measure, trace_course
from tests.monitoring.making import rate

OPTIONS = {"draws": 1000, "seed": 0}


def state(online: Rated, promised: Rated, least: float = 0.0) -> str:
    return judge([find_rise(online, promised, least=least, **OPTIONS)], 0.01)[0].state  # type: ignore[arg-type]


def test_taste_that_shifted_is_found_and_the_same_taste_is_not():
    promised = rate(0, users=400, rows=4000)
    assert state(rate(1, rows=500), promised) == "quiet"
    assert state(rate(1, rows=500, shift=0.8), promised) == "alarm"
    assert state(rate(1, rows=500, noise=0.5), promised) == "quiet"


def test_rise_below_what_is_allowed_is_no_alarm():
    promised, online = rate(0, users=400, rows=4000), rate(1, users=400, rows=4000, noise=1.1)
    assert state(online, promised) == "alarm"
    assert state(online, promised, least=0.3) == "quiet"


def test_value_is_the_difference_of_both_rmse():
    online, promised = rate(1, rows=200), rate(0, rows=500)
    found = find_rise(online, promised, least=0.1, **OPTIONS)  # type: ignore[arg-type]
    rmse = [measure(one, draws=100, level=0.95, seed=0).value for one in (online, promised)]
    assert found.value == pytest.approx(rmse[0] - rmse[1])
    assert (found.lately, found.before) == (200, 500)
    # Draws are of a rise that is allowed.
    assert np.mean(found.unchanged_T) == pytest.approx(0.1, abs=0.05)


def test_few_users_who_give_all_ratings_widen_what_chance_does():
    promised = rate(0, users=400, rows=4000)
    many, few = rate(1, users=300, rows=600), rate(1, users=4, rows=600)
    wide = [
        np.quantile(find_rise(one, promised, least=0.0, **OPTIONS).unchanged_T, 0.99)  # type: ignore[arg-type]
        for one in (many, few)
    ]
    assert wide[1] > 1.5 * wide[0]


def test_course_counts_from_the_newest_and_leaves_a_short_rest_out():
    course = trace_course("3", [5.0, 1.0, 2.0, 4.0, 3.0], np.array([1.0, 9.0, 4.0, 0.0, 16.0]), 2)
    assert [(one.since, one.until, one.ratings) for one in course] == [
        (1.0, 1.0, 1),
        (2.0, 3.0, 2),
        (4.0, 5.0, 2),
    ]
    assert [one.rmse for one in course] == pytest.approx([3.0, 10**0.5, 0.5**0.5])
    assert len(trace_course("3", [1.0, 2.0, 3.0], np.ones(3), 10)) == 1
    assert [one.ratings for one in trace_course("3", range(11), np.ones(11), 5)] == [5, 5]

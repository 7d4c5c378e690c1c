import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.monitoring.checks import Finding, Unknown, judge


def find(value: float, draws: int = 999, least: float = 0.0) -> Finding:
    return Finding("rmse", value, np.arange(1, draws + 1) / (draws + 1), least, 10, 20)


@given(st.floats(0, 1), st.sampled_from([0.01, 0.05, 0.2]), st.integers(1, 5))
def test_alarm_is_what_chance_measures_in_its_share_of_looks(
    value: float, false_alarms: float, family: int
):
    check = judge([find(value)] * family, false_alarms)[0]
    assert check.p is not None
    assert check.threshold is not None
    assert (check.state == "alarm") == (check.p <= false_alarms / family)
    assert (check.state == "alarm") == (value > check.threshold)


def test_sure_but_small_change_is_no_alarm():
    check = judge([find(1.0, least=1.0)], 0.01)[0]
    assert (check.state, check.threshold, check.p) == ("quiet", 1.0, 0.001)


def test_checks_that_were_not_made_take_no_part_of_the_false_alarms():
    alone, (beside, unknown) = (
        judge([find(0.5)], 0.1),
        judge([find(0.5), Unknown("users", "few")], 0.1),
    )
    assert alone[0] == beside
    assert (unknown.state, unknown.value, unknown.why) == ("unknown", None, "few")
    both = judge([find(0.5), find(0.5)], 0.1)
    assert both[0].threshold is not None
    assert alone[0].threshold is not None
    assert both[0].threshold > alone[0].threshold


def test_too_few_draws_to_be_sure_are_refused():
    with pytest.raises(ValueError, match="99 draws cannot tell a false alarm in"):
        judge([find(0.5, draws=99)], 0.001)

import numpy as np
import pytest

from components.monitoring.checks import judge
from components.monitoring.users import find_activity, find_strangers

OPTIONS = {"least": 0.0, "draws": 2000, "seed": 0}


def know(known: int, unknown: int) -> np.ndarray:
    return np.repeat([True, False], [known, unknown])


@pytest.mark.parametrize(
    ("asked", "expected"), [((80, 20), "quiet"), ((40, 60), "alarm"), ((100, 0), "quiet")]
)
def test_more_strangers_than_in_the_test_are_an_alarm_and_fewer_are_not(
    asked: tuple[int, int], expected: str
):
    found = find_strangers(know(*asked), know(160, 40), **OPTIONS)  # type: ignore[arg-type]
    assert found.value == pytest.approx(asked[1] / sum(asked) - 0.2)
    assert judge([found], 0.01)[0].state == expected


def test_chance_of_strangers_is_that_of_fishers_exact_test():
    found = find_strangers(know(5, 3), know(9, 1), least=0.0, draws=200_000, seed=0)
    # Fisher's one-sided test of [[3, 5], [1, 9]]: C(8,3) C(10,1) / C(18,4) + C(8,4) / C(18,4)
    assert judge([found], 0.2)[0].p == pytest.approx((56 * 10 + 70) / 3060, abs=0.005)


@pytest.mark.parametrize(("times", "expected"), [(1, "quiet"), (4, "alarm")])
def test_users_who_ask_more_often_are_an_alarm(times: int, expected: str):
    generator = np.random.default_rng(0)
    rate_U = generator.pareto(2, 200) + 0.5
    lately_U, before_U = generator.poisson(rate_U * times), generator.poisson(rate_U)
    found = find_activity(lately_U, before_U, **OPTIONS)  # type: ignore[arg-type]
    assert judge([found], 0.01)[0].state == expected
    assert (found.lately, found.before) == ((lately_U > 0).sum(), (before_U > 0).sum())


def test_activity_is_told_by_the_shares_of_those_who_asked():
    lately_U, before_U = np.array([1, 1, 0, 4]), np.array([0, 1, 1, 1])
    found = find_activity(lately_U, before_U, **OPTIONS)  # type: ignore[arg-type]
    assert found.value == pytest.approx(1 / 3)

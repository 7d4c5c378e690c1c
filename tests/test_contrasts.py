"""Two models on groups of rows: values, studentised intervals, floors of all groups at once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contrasts import Contrast, contrast, floors
from components.statistics import Interval, bootstrap_rmse

DRAWS = {"draws": 400, "level": 0.9, "seed": 3}


def sample(seed: int, users: int = 40, rows: int = 300) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, users, rows)
    return codes, generator.normal(0, 1, rows) ** 2, generator.normal(0, 1, rows) ** 2


def one(codes: np.ndarray, a: np.ndarray, b: np.ndarray, **how: float) -> Contrast:
    groups = {"every": np.ones(len(codes), bool)}
    return contrast(codes, a, b, groups, **{**DRAWS, **how})["every"]


def test_values_are_those_of_the_rows_and_counts_those_of_the_group():
    codes, a, b = sample(0)
    rows = codes < 10
    found = contrast(codes, a, b, {"few": rows}, **DRAWS)["few"]
    assert found.a.value == pytest.approx(math.sqrt(a[rows].mean()))
    assert found.b.value == pytest.approx(math.sqrt(b[rows].mean()))
    assert found.difference.value == pytest.approx(found.a.value - found.b.value)
    assert (found.rows, found.users) == (rows.sum(), 10)
    assert found.difference.low < found.difference.value < found.difference.high


def test_rmse_has_the_percentile_interval_that_is_reported_elsewhere():
    codes, a, b = sample(1)
    assert one(codes, a, b).a.low == pytest.approx(bootstrap_rmse(codes, a, **DRAWS).low)
    assert one(codes, a, b).b.high == pytest.approx(bootstrap_rmse(codes, b, **DRAWS).high)


def test_standard_error_is_that_of_leaving_one_user_out():
    codes, a, b = sample(2, users=60, rows=2000)
    left = [
        math.sqrt(a[codes != user].mean()) - math.sqrt(b[codes != user].mean())
        for user in range(60)
    ]
    jackknife = math.sqrt(59 / 60 * np.sum((np.array(left) - np.mean(left)) ** 2))
    assert one(codes, a, b).error == pytest.approx(jackknife, rel=0.05)


def test_interval_agrees_with_studentising_user_by_user():
    codes, a, b = sample(4, users=30, rows=600)
    generator = np.random.default_rng(1)
    groups = [(a[codes == user], b[codes == user]) for user in range(30)]

    def measure(drawn: np.ndarray) -> tuple[float, float]:
        a_K = np.array([groups[user][0].sum() for user in drawn])
        b_K = np.array([groups[user][1].sum() for user in drawn])
        n_K = np.array([len(groups[user][0]) for user in drawn])
        n, rmse_a, rmse_b = (
            n_K.sum(),
            math.sqrt(a_K.sum() / n_K.sum()),
            math.sqrt(b_K.sum() / n_K.sum()),
        )
        influence = (a_K - rmse_a**2 * n_K) / (2 * n * rmse_a)
        influence -= (b_K - rmse_b**2 * n_K) / (2 * n * rmse_b)
        return rmse_a - rmse_b, math.sqrt((influence**2).sum())

    value, error = measure(np.arange(30))
    pulls = []
    for _ in range(4000):
        drawn, spread = measure(generator.integers(0, 30, 30))
        pulls.append((drawn - value) / spread)
    up, down = np.quantile(pulls, [0.05, 0.95])
    found = one(codes, a, b, draws=4000)
    assert found.error == pytest.approx(error)
    assert found.difference.low == pytest.approx(value - down * error, abs=0.1 * error)
    assert found.difference.high == pytest.approx(value - up * error, abs=0.1 * error)


def test_same_model_twice_differs_by_nothing():
    codes, a, _ = sample(5)
    assert one(codes, a, a).difference == Interval(0.0, 0.0, 0.0)


def test_same_difference_for_every_user_has_no_width():
    codes = np.repeat(np.arange(6), 4)
    found = one(codes, np.full(24, 0.25), np.full(24, 1.0))
    assert found.difference == Interval(-0.5, -0.5, -0.5)


def test_perfect_model_is_compared_without_dividing_by_zero():
    codes, _, b = sample(6)
    found = one(codes, np.zeros(len(b)), b)
    assert found.a.value == 0
    assert found.difference.high < 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_error_that_is_not_finite_takes_the_difference_and_its_own_model_only(bad: float):
    codes, a, b = sample(7)
    a[3] = bad
    rows = np.arange(len(a)) > 100
    found = contrast(codes, a, b, {"all": rows | True, "rest": rows}, **DRAWS)
    assert math.isnan(found["all"].difference.value)
    assert math.isnan(found["all"].a.value)
    assert math.isfinite(found["all"].b.low)
    assert math.isfinite(found["rest"].difference.low)


def test_one_user_alone_has_a_difference_and_no_interval():
    found = one(np.zeros(5, np.int64), np.ones(5), np.full(5, 4.0)).difference
    assert found.value == -1
    assert math.isnan(found.low)


def test_no_rows_give_nan():
    empty = np.zeros(0)
    found = one(empty.astype(np.int64), empty, empty)
    assert found.rows == found.users == 0
    assert math.isnan(found.difference.value)
    codes, a, b = sample(8)
    none = contrast(codes, a, b, {"none": np.zeros(len(a), bool)}, **DRAWS)["none"]
    assert math.isnan(none.a.low)
    assert math.isnan(none.difference.high)


def test_blocks_of_draws_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch):
    codes, a, b = sample(9)
    whole = one(codes, a, b)
    monkeypatch.setattr("components.contrasts._DRAWS_AT_ONCE_CELLS", 1000)
    again = one(codes, a, b)
    assert again.difference == whole.difference
    assert again.a == whole.a


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 1000))
def test_codes_of_the_users_do_not_matter_and_both_ways_round_agree(seed: int, shift: int):
    codes, a, b = sample(seed, users=10, rows=60)
    found = one(codes, a, b)
    assert one(codes * 7 + shift, a, b).difference == found.difference
    turned = one(codes, b, a).difference
    assert turned.value == pytest.approx(-found.difference.value)
    assert turned.low == pytest.approx(-found.difference.high)


def test_floors_lie_below_the_intervals_and_lower_the_more_groups_there_are():
    codes, a, b = sample(10, users=60, rows=1200)
    generator = np.random.default_rng(0)
    groups = {str(number): generator.random(1200) < 0.4 for number in range(12)}
    found = list(contrast(codes, a, b, groups, **DRAWS).values())
    together = floors(found, 0.9)
    assert floors(found[:1], 0.9)[0] == pytest.approx(found[0].difference.low)
    for held, floor in zip(found, together, strict=True):
        assert floor < held.difference.low


def test_floors_leave_out_what_has_no_interval():
    codes, a, b = sample(11)
    groups = {"all": np.ones(len(a), bool), "one user": codes == 0}
    found = list(contrast(codes, a, b, groups, **DRAWS).values())
    whole, alone = floors(found, 0.9)
    assert whole == pytest.approx(found[0].difference.low)
    assert math.isnan(alone)
    assert math.isnan(floors(found[1:], 0.9)[0])
    assert floors([], 0.9) == []


def test_by_chance_hardly_any_family_of_groups_holds_a_floor_above_zero():
    generator = np.random.default_rng(12)
    wrong = 0
    for _ in range(200):
        codes = np.repeat(np.arange(60), 10)
        hard = np.repeat(generator.gamma(2, 0.3, 60), 10)
        a, b = (hard * generator.chisquare(1, 600) for _ in range(2))
        groups = {str(number): generator.random(600) < 0.3 for number in range(8)}
        found = contrast(codes, a, b, groups, draws=200, level=0.9, seed=0)
        wrong += max(floors(found.values(), 0.9)) > 0
    # 5 % by design; three standard errors of 200 draws are 4.6 points. Alone: a quarter or so.
    assert wrong / 200 <= 0.096

"""Intervals by resampling users."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.statistics import Interval, bootstrap_rmse, paired_bootstrap

DRAWS = {"draws": 400, "level": 0.9, "seed": 3}


def sample(seed: int, rows: int = 300, users: int = 40) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, users, rows), generator.normal(0, 1, rows) ** 2


def test_rmse_value_is_root_of_mean_squared_error() -> None:
    users, errors = sample(0)
    interval = bootstrap_rmse(users, errors, **DRAWS)
    assert interval.value == pytest.approx(math.sqrt(errors.mean()))
    assert interval.low < interval.value < interval.high


def test_interval_agrees_with_resampling_rows_user_by_user() -> None:
    users, errors = sample(1)
    generator = np.random.default_rng(9)
    groups = [errors[users == user] for user in np.unique(users)]
    values = []
    for _ in range(2000):
        drawn = generator.integers(0, len(groups), len(groups))
        values.append(math.sqrt(np.concatenate([groups[g] for g in drawn]).mean()))
    low, high = np.quantile(values, [0.05, 0.95])
    interval = bootstrap_rmse(users, errors, draws=2000, level=0.9, seed=0)
    assert interval.low == pytest.approx(low, abs=0.01)
    assert interval.high == pytest.approx(high, abs=0.01)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    users = np.repeat(np.arange(80), 5)
    covered = 0
    for _ in range(200):
        scale_U = generator.uniform(0.5, 1.5, 80)
        errors = (generator.normal(0, 1, 400) * scale_U[users]) ** 2
        truth = math.sqrt(1 + 1 / 12)
        interval = bootstrap_rmse(users, errors, draws=200, level=0.9, seed=0)
        covered += interval.low <= truth <= interval.high
    assert 0.8 <= covered / 200 <= 0.97


def test_one_user_gives_an_interval_of_no_width() -> None:
    interval = bootstrap_rmse(np.zeros(4, np.int64), np.array([1.0, 0, 1, 0]), **DRAWS)
    assert interval.low == interval.high == pytest.approx(math.sqrt(0.5))


def test_no_rows_give_nan() -> None:
    interval = bootstrap_rmse(np.zeros(0, np.int64), np.zeros(0), **DRAWS)
    assert all(math.isnan(number) for number in (interval.value, interval.low, interval.high))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_error_that_is_not_finite_gives_nan_everywhere(bad: float) -> None:
    users, errors = sample(2)
    errors[7] = bad
    for interval in (
        bootstrap_rmse(users, errors, **DRAWS),
        paired_bootstrap(users, errors, np.ones_like(errors), **DRAWS),
    ):
        assert all(math.isnan(number) for number in (interval.value, interval.low, interval.high))


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="3 users and 2 errors"):
        bootstrap_rmse(np.arange(3), np.ones(2), **DRAWS)


def test_paired_value_is_the_difference_of_both_rmse() -> None:
    users, a = sample(3)
    b = a * 0.81
    interval = paired_bootstrap(users, a, b, **DRAWS)
    assert interval.value == pytest.approx(0.1 * math.sqrt(a.mean()))
    assert 0 < interval.low < interval.value < interval.high


def test_pairing_gives_a_narrower_interval_than_both_alone() -> None:
    users, a = sample(4)
    b = a * 0.9
    paired = paired_bootstrap(users, a, b, **DRAWS)
    alone = bootstrap_rmse(users, a, **DRAWS)
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_blocks_of_draws_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    users, errors = sample(6)
    whole = bootstrap_rmse(users, errors, **DRAWS)
    monkeypatch.setattr("components.statistics._DRAWS_AT_ONCE_CELLS", 1000)
    assert bootstrap_rmse(users, errors, **DRAWS) == whole


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 1000))
def test_same_seed_same_interval_and_codes_do_not_matter(seed: int, shift: int) -> None:
    users, errors = sample(seed, rows=60, users=10)
    first: Interval = bootstrap_rmse(users, errors, **DRAWS)
    assert bootstrap_rmse(users * 7 + shift, errors, **DRAWS) == first
    assert paired_bootstrap(users, errors, errors, **DRAWS) == Interval(0.0, 0.0, 0.0)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.validation.drift import compare_batches, psi

SAMPLES = arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False),
)


@given(SAMPLES)
def test_psi_of_a_sample_with_itself_is_zero(sample: np.ndarray) -> None:
    assert psi(sample, sample) == pytest.approx(0, abs=1e-12)


@given(SAMPLES, SAMPLES)
def test_psi_is_finite_and_never_negative(expected: np.ndarray, actual: np.ndarray) -> None:
    value = psi(expected, actual)
    assert np.isfinite(value)
    assert value >= 0


def test_psi_equals_its_formula_by_hand() -> None:
    # Two values: bins up to below 1, to 1, to 2, above; shares with half a count added to each.
    expected, actual = np.repeat([1.0, 2.0], [60, 40]), np.repeat([1.0, 2.0], [30, 70])
    e = np.array([0.5, 60.5, 40.5, 0.5]) / 102
    a = np.array([0.5, 30.5, 70.5, 0.5]) / 102
    assert psi(expected, actual) == pytest.approx(((a - e) * np.log(a / e)).sum())


def test_psi_of_samples_of_one_distribution_is_small_and_of_shifted_ones_large() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(size=5000)
    assert psi(before, rng.normal(size=500)) < 0.1
    assert psi(before, rng.normal(loc=1.0, size=500)) > 0.5


def test_psi_sees_values_beyond_a_constant_on_either_side() -> None:
    constant = np.full(1000, 3.0)
    assert psi(constant, np.full(300, 2.0)) > 1
    assert psi(constant, np.full(300, 4.0)) > 1


def test_psi_leaves_out_what_is_not_finite_and_takes_nothing_for_no_drift() -> None:
    assert psi(np.array([1.0, np.nan, np.inf]), np.array([np.nan])) == 0.0
    assert psi(np.array([]), np.array([1.0])) == 0.0


def frames(means: list[float], rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    ratings, images = [], []
    for batch, mean in enumerate(means):
        values = rng.normal(mean, 0.1, rows)
        users = [f"u{n}" for n in range(rows)]
        ratings.append(pd.DataFrame({"rating": values, "user_id": users, "batch": batch}))
        images.append(pd.DataFrame({"brightness": values, "contrast": 0.2, "batch": batch}))
    return pd.concat(ratings), pd.concat(images)


def test_each_batch_is_compared_with_everything_before_it() -> None:
    ratings, images = frames([0.0, 0.0, 3.0, 3.0], 100)
    drift = compare_batches(ratings, images, 4, min_rows=50)
    assert drift["batch"].unique().tolist() == [1, 2, 3]
    rating = drift[drift["feature"] == "rating"].set_index("batch")
    assert rating["rows_before"].tolist() == [100, 200, 300]
    assert rating["psi"][1] < 0.5 < rating["psi"][3] < rating["psi"][2]
    contrast = drift[drift["feature"] == "contrast"]
    assert contrast["psi"].max() < 0.1


def test_batch_of_fewer_rows_is_not_judged() -> None:
    ratings, images = frames([0.0, 5.0], 100)
    assert compare_batches(ratings, images, 2, min_rows=101).empty


def test_first_batch_has_nothing_before_it() -> None:
    assert compare_batches(*frames([0.0], 500), 1, min_rows=1).empty

"""The ridge solution of a user's side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.models.ridge import solve_ridge, stack_priors


def test_solution_is_where_the_objective_is_flat() -> None:
    drawn = np.random.default_rng(0)
    vectors_ND = drawn.normal(size=(7, 3)).astype(np.float32)
    residuals_N, priors_D1 = drawn.normal(size=7), stack_priors(0.5, 2.0, 3)
    assert priors_D1.tolist() == [2, 2, 2, 0.5]
    solved_D1 = solve_ridge(vectors_ND, residuals_N, priors_D1)
    x_ND1 = np.concatenate([vectors_ND, np.ones((7, 1))], axis=1)
    slope_D1 = x_ND1.T @ (x_ND1 @ solved_D1 - residuals_N) + priors_D1 * solved_D1
    np.testing.assert_allclose(slope_D1, 0, atol=1e-6)


def test_without_ratings_nothing_is_known() -> None:
    assert solve_ridge(np.zeros((0, 2)), np.zeros(0), np.ones(3)).tolist() == [0, 0, 0]


@given(residuals=st.lists(st.floats(-4, 4), min_size=1, max_size=9))
def test_without_vectors_the_bias_is_a_shrunk_mean(residuals: list[float]) -> None:
    vectors_ND = np.zeros((len(residuals), 2), np.float32)
    solved_D1 = solve_ridge(vectors_ND, np.array(residuals), stack_priors(3.0, 1.0, 2))
    assert solved_D1[:2].tolist() == [0, 0]
    assert solved_D1[2] == pytest.approx(sum(residuals) / (len(residuals) + 3))

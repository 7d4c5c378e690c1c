"""RMSE and MAE against another implementation and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from components.evaluation.accuracy import mae, rmse, squared_errors

ratings = st.lists(st.tuples(st.floats(0, 5, width=32), st.floats(0, 5, width=32)), min_size=1)


@given(ratings)
def test_both_agree_with_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    truth, predicted = np.array(pairs, np.float32).T
    assert rmse(truth, predicted) == pytest.approx(root_mean_squared_error(truth, predicted))
    assert mae(truth, predicted) == pytest.approx(mean_absolute_error(truth, predicted))


def test_by_hand() -> None:
    truth, predicted = np.float32([1, 5]), np.float32([4, 1])
    assert rmse(truth, predicted) == pytest.approx(math.sqrt(12.5))
    assert mae(truth, predicted) == 3.5
    assert squared_errors(truth, predicted).tolist() == [9, 16]


def test_no_rows_are_nan() -> None:
    nothing = np.zeros(0, np.float32)
    assert math.isnan(rmse(nothing, nothing))
    assert math.isnan(mae(nothing, nothing))

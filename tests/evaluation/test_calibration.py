"""Predicted beside observed."""

import numpy as np
import pytest

from components.evaluation.calibration import calibrate


def test_bins_hold_equally_many_rows_and_their_means() -> None:
    predicted = np.arange(8, dtype=np.float32)
    table = calibrate(predicted + 1, predicted, 4)
    assert table["rows"].tolist() == [2, 2, 2, 2]
    assert table["predicted"].tolist() == pytest.approx([0.5, 2.5, 4.5, 6.5])
    assert table["observed"].tolist() == pytest.approx([1.5, 3.5, 5.5, 7.5])


def test_one_prediction_for_all_is_one_bin() -> None:
    table = calibrate(np.float32([1, 2, 3]), np.full(3, 2.5, np.float32), 10)
    assert table.to_dict("records") == [{"predicted": 2.5, "observed": 2.0, "rows": 3}]


def test_no_rows_are_no_bins() -> None:
    assert calibrate(np.zeros(0, np.float32), np.zeros(0, np.float32), 10).empty


def test_predictions_that_are_no_numbers_are_in_no_bin() -> None:
    predicted = np.float32([1.0, np.nan, np.inf, 3.0])
    table = calibrate(np.float32([2, 5, 5, 4]), predicted, 2)
    assert table["predicted"].tolist() == [1.0, 3.0]
    assert table["rows"].tolist() == [1, 1]
    assert calibrate(np.float32([2]), np.float32([np.nan]), 2).empty

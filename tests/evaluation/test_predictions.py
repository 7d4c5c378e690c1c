"""Static and prequential predictions."""

import numpy as np
import pandas as pd
import pytest

from components.evaluation.predictions import predict_prequential, predict_static, sample_users
from components.models.predictor import Predictor


def rows(*given: tuple[str, str, float, int]) -> pd.DataFrame:
    return pd.DataFrame(given, columns=["user_id", "item_id", "rating", "timestamp"])


def test_first_row_of_a_user_is_predicted_as_static(predictor: Predictor) -> None:
    test = rows(("nobody", "i000", 5.0, 10), (predictor.bundle.users.user_ids[0], "i001", 1.0, 10))
    np.testing.assert_array_equal(
        predict_prequential(predictor, test), predict_static(predictor, test)
    )


def test_later_row_sees_the_earlier_ones_and_none_of_the_same_second(predictor: Predictor) -> None:
    test = rows(
        ("nobody", "i003", 2.0, 30),
        ("nobody", "i000", 5.0, 10),
        ("nobody", "i001", 5.0, 20),
        ("nobody", "i002", 1.0, 20),
    )
    predicted = predict_prequential(predictor, test)
    for row, past in ((1, []), (2, [("i000", 5.0)]), (3, [("i000", 5.0)])):
        history = predictor.read_history(past)[0]
        side = predictor.fold_user("nobody", history)
        expected = predictor.rate(side, predictor.item_side([test["item_id"][row]]))[0]
        assert predicted[row] == pytest.approx(expected, abs=1e-6)
    assert predicted[0] != predict_static(predictor, test)[0]


def test_what_comes_later_changes_nothing_before_it(predictor: Predictor) -> None:
    test = rows(*((f"v{n % 3}", f"i00{n}", 1.0 + n % 5, n) for n in range(9)))
    whole = predict_prequential(predictor, test)
    np.testing.assert_array_equal(predict_prequential(predictor, test[:5]), whole[:5])


def test_item_outside_the_catalogue_is_predicted_and_tells_nothing(predictor: Predictor) -> None:
    test = rows(("nobody", "nothing", 1.0, 1), ("nobody", "i000", 3.0, 2))
    np.testing.assert_array_equal(
        predict_prequential(predictor, test), predict_static(predictor, test)
    )


def test_no_rows_are_no_predictions(predictor: Predictor) -> None:
    assert len(predict_prequential(predictor, rows())) == 0


def test_sampled_users_come_with_all_their_rows() -> None:
    users = pd.Series([f"u{n % 10}" for n in range(50)])
    kept = users[sample_users(users, 3, seed=0)]
    assert kept.nunique() == 3
    assert (kept.value_counts() == 5).all()
    assert sample_users(users, 10, seed=0).all()

"""What a request says of its own ratings, and when they were given."""

from collections.abc import Callable

import numpy as np

from components.models.bundle import Bundle
from components.models.predictor import Predictor

NOW = 2_000_000_000
RATED = [("i000", 5.0), ("gone", 1.0), ("i001", 1.0)]


def test_times_go_with_the_items_that_are_known(learn: Callable[[str], Bundle]) -> None:
    history, unknown = Predictor(learn("biases")).read_history(RATED, [10, 20, 30])
    assert unknown == ["gone"]
    assert history.times_N.tolist() == [10, 30]


def test_ratings_of_a_moment_ago_tell_more_than_the_same_without_a_time(
    learn: Callable[[str], Bundle],
) -> None:
    predictor = Predictor(learn("hybrid"))
    timeless = predictor.read_history(RATED)[0]
    fresh = predictor.read_history(RATED, [NOW - 30, NOW - 20, NOW - 10])[0]
    lasting = predictor.score(predictor.fold_user(None, timeless))
    moody = predictor.score(predictor.fold_user(None, fresh, NOW))
    assert np.abs(moody - lasting).max() > 1e-3
    regardless = predictor.score(predictor.fold_user(None, fresh))
    np.testing.assert_allclose(regardless, lasting, atol=1e-6)

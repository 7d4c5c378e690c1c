"""Content alone: what it answers for people and images."""

import numpy as np
import pandas as pd
import pytest

from components.models.catalogue import UNKNOWN, Catalogue, History, UserBook
from components.models.content import Content
from components.models.protocol import Asker, Side, rate_pairs

LOOKS_IK = np.float32([[2, 0], [0, 1], [-1, 0], [0, 0]])


@pytest.fixture
def catalogue() -> Catalogue:
    items = pd.DataFrame({"item_id": ["a", "b", "c", "bare"]})
    return Catalogue(items, LOOKS_IK, np.array([True, True, True, False]))


@pytest.fixture
def model(catalogue: Catalogue) -> Content:
    weights = {
        "mean": np.float32([3]),
        "image": np.float32([0.5, 0]),
        "user_priors": np.float32([1, 2]),
        "image_mean": np.zeros(2, np.float32),
        "image_projection": np.eye(2, dtype=np.float32),
    }
    nobody = UserBook((), np.zeros(1, np.int64), *(np.zeros(0, t) for t in ("i8", "f4", "i8")))
    return Content(weights, catalogue, nobody)


def ask(*rated: tuple[int, float]) -> Asker:
    items = np.array([item for item, _ in rated], np.int64)
    ratings = np.array([rating for _, rating in rated], np.float32)
    return Asker(UNKNOWN, History(items, ratings, np.zeros(len(rated), np.int64)))


def rate(model: Content, asker: Asker, items: Side) -> list[float]:
    return rate_pairs(model.mean, model.fold_users([asker]), items).tolist()


def test_nobody_sees_how_everybody_takes_to_looks(model: Content) -> None:
    assert rate(model, ask(), model.known_items()) == pytest.approx([4, 3, 2.5, 3])
    assert model.fold_users([ask()]).paths == ("prior",)


def test_new_image_is_rated_as_if_it_were_in_the_catalogue(model: Content) -> None:
    new = model.fold_items(LOOKS_IK[:1])
    asker = ask((0, 1.0), (1, 5.0))
    assert rate(model, asker, new) == pytest.approx(rate(model, asker, model.known_items())[:1])
    assert new.paths == ("images",)
    assert model.fold_items(LOOKS_IK[3:]).paths == ("prior",)


def test_one_rating_moves_the_level_and_the_taste_by_ridge(model: Content) -> None:
    side = model.fold_users([ask((1, 5.0))])
    # One rating 2 above: (x xᵀ + diag(2, 2, 1)) s = 2 x with x = (0, 1, 1).
    assert side.vectors_BD[0].tolist() == pytest.approx([0, 2 / 5])
    assert side.bias_B[0] == pytest.approx(4 / 5)
    assert side.paths == ("history",)


def test_image_in_a_history_counts_at_once_though_nobody_else_rated_it(model: Content) -> None:
    liked, loathed = (rate(model, ask((2, rating)), model.known_items()) for rating in (5.0, 1.0))
    assert liked[2] > loathed[2]
    assert liked[0] - liked[3] < loathed[0] - loathed[3]  # it looks the other way

"""What the end-to-end family adds to matrix factorization when it answers."""

import numpy as np
import pandas as pd
import pytest

from components.models.catalogue import UNKNOWN, Catalogue, History, UserBook
from components.models.finetuned import Finetuned
from components.models.protocol import Asker, Weights

ITEMS = 6
WITHOUT_IMAGE, UNRATED = 4, 5


@pytest.fixture
def catalogue() -> Catalogue:
    embeddings_IE = np.random.default_rng(0).normal(size=(ITEMS, 3)).astype(np.float32)
    embeddings_IE[WITHOUT_IMAGE] = 0
    items = pd.DataFrame({"item_id": [f"i{row}" for row in range(ITEMS)]})
    return Catalogue(items, embeddings_IE, np.arange(ITEMS) != WITHOUT_IMAGE)


@pytest.fixture
def book(catalogue: Catalogue) -> UserBook:
    rows = [
        ("a", "i0", 5.0),
        ("a", "i1", 2.0),
        ("b", "i2", 4.0),
        ("b", "i3", 3.0),
        ("b", "i4", 4.0),
    ]
    ratings = pd.DataFrame(rows, columns=["user_id", "item_id", "rating"])
    return UserBook.from_ratings(ratings.assign(timestamp=range(len(rows))), catalogue)


@pytest.fixture
def weights() -> Weights:
    generator = np.random.default_rng(1)
    return {
        "mean": np.float32([3.5]),
        "item": generator.normal(size=(ITEMS, 3)).astype(np.float32),
        "new_item": np.float32([0.1, -0.2, 0.3]),
        "image": generator.normal(size=(2, 3)).astype(np.float32),
        "image_mean": np.float32([0.1, 0.2, 0.3]),
        "image_projection": generator.normal(size=(3, 2)).astype(np.float32),
        "user_priors": np.float32([5.0, 2.0]),
    }


@pytest.fixture
def model(weights: Weights, catalogue: Catalogue, book: UserBook) -> Finetuned:
    return Finetuned(weights, catalogue, book)


def test_item_is_its_factors_and_what_its_image_says(
    model: Finetuned, weights: Weights, catalogue: Catalogue
) -> None:
    looks_K = (catalogue.embeddings_IE[2] - weights["image_mean"]) @ weights["image_projection"]
    expected_C = weights["item"][2] + looks_K @ weights["image"]
    side = model.known_items()
    np.testing.assert_allclose(side.vectors_BD[2], expected_C[:-1], rtol=1e-5)
    assert side.bias_B[2] == pytest.approx(expected_C[-1], rel=1e-5)
    assert side.paths[2] == "factors"


def test_item_without_image_is_its_factors_alone(model: Finetuned, weights: Weights) -> None:
    side = model.known_items()
    np.testing.assert_array_equal(
        side.vectors_BD[WITHOUT_IMAGE], weights["item"][WITHOUT_IMAGE][:-1]
    )


def test_item_that_nobody_rated_has_the_learnt_prior_for_its_factors(
    model: Finetuned, weights: Weights, catalogue: Catalogue
) -> None:
    known = model.known_items().take(np.array([UNRATED]))
    uploaded = model.fold_items(catalogue.embeddings_IE[[UNRATED]])
    nothing = model.fold_items(np.zeros((1, 3), np.float32))
    np.testing.assert_array_equal(known.vectors_BD, uploaded.vectors_BD)
    assert known.paths == uploaded.paths == ("images",)
    np.testing.assert_array_equal(nothing.vectors_BD[0], weights["new_item"][:-1])
    assert nothing.paths == ("prior",)


def test_user_minimises_what_training_minimises(
    model: Finetuned, weights: Weights, book: UserBook
) -> None:
    history = book.history(1)
    side, items = model.fold_users([Asker(1, history)]), model.known_items().take(book.items_N[2:])
    bias_prior, factor_prior = weights["user_priors"]

    def loss(bias: float, vector_D: np.ndarray) -> float:
        rated_N = model.mean + bias + items.bias_B + items.vectors_BD @ vector_D
        errors = np.square(history.ratings_N - rated_N).sum()
        return float(errors + bias_prior * bias**2 + factor_prior * np.square(vector_D).sum())

    best = loss(side.bias_B[0], side.vectors_BD[0])
    for step in (-0.02, 0.02):
        assert loss(side.bias_B[0] + step, side.vectors_BD[0]) > best
        for axis in np.eye(2, dtype=np.float32):
            assert loss(side.bias_B[0], side.vectors_BD[0] + step * axis) > best


def test_stranger_with_a_history_is_answered_like_a_known_user_with_the_same(
    model: Finetuned, book: UserBook
) -> None:
    history = book.history(0)
    both = model.fold_users([Asker(0, history), Asker(UNKNOWN, history)])
    np.testing.assert_array_equal(both.vectors_BD[0], both.vectors_BD[1])
    assert both.paths == ("factors", "history")
    assert model.fold_users([Asker(UNKNOWN, History.empty())]).paths == ("prior",)

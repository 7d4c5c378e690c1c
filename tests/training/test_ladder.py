"""The rungs, against numbers by hand and a dense least squares."""

import numpy as np
import pandas as pd
import pytest

from components.family_params import Nothing, Shrinkage
from components.models.catalogue import Catalogue, UserBook
from components.training.ladder import (
    fit_biases,
    fit_mean,
    fit_popularity,
    mean_rating,
    shrunk_means,
)


@pytest.fixture
def book() -> UserBook:
    return UserBook(
        ("a", "b"),
        np.array([0, 2, 3]),
        np.array([0, 1, 1]),
        np.array([5, 3, 1], np.float32),
        np.zeros(3, np.int64),
    )


@pytest.fixture
def catalogue() -> Catalogue:
    items = pd.DataFrame({"item_id": ["x", "y", "z"]})
    return Catalogue(items, np.zeros((3, 1), np.float32), np.zeros(3, bool))


def test_mean_is_of_all_ratings(book: UserBook, catalogue: Catalogue) -> None:
    assert mean_rating(book) == 3
    assert fit_mean(book, catalogue, Nothing())["mean"].tolist() == [3]


def test_popularity_shrinks_an_items_mean_residual(book: UserBook, catalogue: Catalogue) -> None:
    bias_I = fit_popularity(book, catalogue, Shrinkage(prior=1))["item_bias"]
    assert bias_I.tolist() == pytest.approx([2 / 2, (0 - 2) / 3, 0])


def test_biases_solve_the_penalised_least_squares(book: UserBook) -> None:
    prior = 0.7
    bias_U, bias_I = fit_biases(book, 3, prior)
    design = np.array([[1, 0, 1, 0, 0], [1, 0, 0, 1, 0], [0, 1, 0, 1, 0]], float)
    expected = np.linalg.solve(design.T @ design + prior * np.eye(5), design.T @ [2, 0, -2])
    np.testing.assert_allclose(np.concatenate([bias_U, bias_I]), expected, atol=1e-4)


def test_group_without_rows_has_no_bias() -> None:
    assert shrunk_means(np.array([1]), np.array([4.0]), 3, 1.0).tolist() == [0, 2, 0]

"""Standardised principal components of looks."""

import numpy as np
import pandas as pd
import pytest

from components.models.catalogue import Catalogue
from components.training.looks import fit_looks


def catalogue(embeddings_IE: np.ndarray, without_image: int = 0) -> Catalogue:
    count = len(embeddings_IE)
    has_image_I = np.arange(count) < count - without_image
    items = pd.DataFrame({"item_id": [str(n) for n in range(count)]})
    return Catalogue(items, embeddings_IE.astype(np.float32), has_image_I)


def test_projection_has_unit_variance_and_no_correlation() -> None:
    embeddings = np.random.default_rng(0).normal(size=(200, 8)) * np.arange(1, 9)
    mean_E, projection_EK = fit_looks(catalogue(embeddings), 5)
    looks = (embeddings - mean_E) @ projection_EK
    np.testing.assert_allclose(np.cov(looks.T, bias=True), np.eye(5), atol=1e-4)


def test_items_without_image_do_not_count() -> None:
    embeddings = np.random.default_rng(0).normal(size=(50, 4))
    with_zeros = np.concatenate([embeddings, np.zeros((30, 4))])
    first, second = fit_looks(catalogue(embeddings), 2), fit_looks(catalogue(with_zeros, 30), 2)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_images_say_nothing(rows: int) -> None:
    mean_E, projection_EK = fit_looks(catalogue(np.ones((rows, 4))), 3)
    assert not mean_E.any()
    assert projection_EK.shape == (4, 3)
    assert not projection_EK.any()


def test_more_factors_than_directions_leave_the_rest_zero() -> None:
    embeddings = np.random.default_rng(0).normal(size=(50, 2))
    projection_EK = fit_looks(catalogue(embeddings), 5)[1]
    assert np.any(projection_EK[:, :2] != 0, axis=0).all()
    assert not projection_EK[:, 2:].any()

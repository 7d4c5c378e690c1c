import numpy as np
import pytest

from components.models.catalogue import Floats
from components.retrieval.projection import cut, fit_to_items, fit_to_queries


def draw(rows: int, width: int, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(0.5, 1, (rows, width)).astype(np.float32)


def spread(products_IQ: Floats) -> Floats:
    """What sets items apart, for each query."""
    return products_IQ - products_IQ.mean(0)


@pytest.mark.parametrize("fits_queries", [True, False])
def test_all_dimensions_keep_every_difference_between_items(fits_queries: bool) -> None:
    items_ID, queries_QD = draw(200, 6, 1), draw(50, 6, 2)
    items = cut(200, items_ID.__getitem__)
    found = fit_to_queries(items, queries_QD, 6) if fits_queries else fit_to_items(items, 6)
    products_IQ = found.project_items(items) @ (queries_QD @ found.queries_DR).T
    np.testing.assert_allclose(spread(products_IQ), spread(items_ID @ queries_QD.T), atol=1e-4)


def test_few_dimensions_keep_what_the_queries_weigh_not_what_is_large() -> None:
    loud_D = np.float32([0.5, 0.5, 5, 5, 5])
    items_ID, queries_QD = draw(500, 5, 1) * loud_D, draw(100, 5, 2) / loud_D**2
    items = cut(500, items_ID.__getitem__)
    expected = spread(items_ID @ queries_QD.T)

    def err(found) -> float:
        products_IQ = found.project_items(items) @ (queries_QD @ found.queries_DR).T
        return float(np.abs(spread(products_IQ) - expected).mean() / np.abs(expected).mean())

    assert err(fit_to_queries(items, queries_QD, 2)) < 0.2
    assert err(fit_to_items(items, 2)) > 0.5


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    items_ID = draw(100, 4, 1)
    whole = fit_to_items(cut(100, items_ID.__getitem__), 3)
    monkeypatch.setattr("components.retrieval.projection._ROWS", 7)
    items = cut(100, items_ID.__getitem__)
    assert [len(block) for block in items()] == [7] * 14 + [2]
    again = fit_to_items(items, 3)
    np.testing.assert_allclose(again.mean_D, whole.mean_D, atol=1e-6)
    np.testing.assert_allclose(np.abs(again.items_DR), np.abs(whole.items_DR), atol=1e-4)
    assert again.project_items(items).shape == (100, 8)

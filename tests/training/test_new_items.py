"""How the hybrid rates items that nobody rated."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from components.models.catalogue import UserBook
from components.params import Params
from components.training.new_items import NewItemsFit
from components.training.tensors import Interactions

ITEMS, LOOKS, CATEGORIES, FACTORS = 30, 3, 2, 4
MEAN = 3.0


@pytest.fixture
def book() -> UserBook:
    drawn = np.random.default_rng(0)
    counts = [12, 1, 20]
    items = [np.sort(drawn.choice(ITEMS - 2, count, replace=False)) for count in counts]
    total = sum(counts)
    return UserBook(
        ("a", "b", "c"),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate(items).astype(np.int64),
        drawn.integers(1, 6, total).astype(np.float32),
        np.arange(total),
    )


@pytest.fixture
def fit(book: UserBook, choose: Callable[..., Params]) -> Callable[[UserBook], NewItemsFit]:
    generator = torch.Generator().manual_seed(0)
    looks = torch.randn(ITEMS, LOOKS, generator=generator)
    categories = torch.randn(ITEMS, CATEGORIES, generator=generator)
    options = choose(factors=FACTORS).families.hybrid
    near = options.new_items.model_copy(update={"taste_prior": 2.0, "category_taste_prior": 2.0})
    options = options.model_copy(update={"new_items": near})

    def make(given: UserBook) -> NewItemsFit:
        interactions = Interactions.from_book(given, ITEMS, "cpu")
        return NewItemsFit(given, interactions, looks, categories, MEAN, options)

    return make


@pytest.fixture
def seen() -> torch.Tensor:
    return torch.randn(ITEMS, FACTORS, generator=torch.Generator().manual_seed(1))


def test_rating_without_its_own_row_is_that_of_a_fit_without_it(
    book: UserBook, fit: Callable[[UserBook], NewItemsFit], seen: torch.Tensor
) -> None:
    whole = fit(book)
    without = whole.rate_without_own(seen)
    row = 5
    keep = np.arange(len(book.items_N)) != row
    rest = UserBook(
        book.user_ids,
        book.offsets - (book.offsets > row),
        book.items_N[keep],
        book.ratings_N[keep],
        book.times_N[keep],
    )
    alone = fit(rest)
    alone._likings_K, alone._liked_I = whole._likings_K, whole._liked_I
    alone._residuals_N = whole._residuals_N[keep]
    asked = torch.tensor([0]), torch.tensor([int(book.items_N[row])]), torch.tensor([True])
    assert float(without[row]) == pytest.approx(float(alone.rate(seen, *asked)), abs=1e-4)


def test_unknown_user_gets_what_everybody_likes(
    book: UserBook, fit: Callable[[UserBook], NewItemsFit], seen: torch.Tensor
) -> None:
    fitted = fit(book)
    items = torch.tensor([ITEMS - 1, ITEMS - 1])
    rated = fitted.rate(seen, torch.tensor([-1, 2]), items, torch.tensor([False, True]))
    assert float(rated[0]) == pytest.approx(float(fitted._liked_I[ITEMS - 1]))
    assert float(rated[1]) != pytest.approx(float(rated[0]), abs=1e-3)


def test_what_the_hybrid_sees_in_looks_moves_the_taste(
    book: UserBook, fit: Callable[[UserBook], NewItemsFit], seen: torch.Tensor
) -> None:
    fitted = fit(book)
    asked = torch.tensor([2]), torch.tensor([ITEMS - 1]), torch.tensor([True])
    blind = fitted.rate(torch.zeros_like(seen), *asked)
    assert abs(float(fitted.rate(seen * 10, *asked) - blind)) > 1e-3

"""Which items belong to which categories."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.models.catalogue import Catalogue
from components.models.categories import Categories, split_category

TEXTS = st.lists(st.text(alphabet="ab| ", max_size=6), min_size=1, max_size=6)


def catalogue(*categories: str) -> Catalogue:
    items = pd.DataFrame({"item_id": range(len(categories)), "category": categories})
    return Catalogue(items, np.zeros((len(items), 1), np.float32), np.zeros(len(items), dtype=bool))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Comedy|Drama", ("Comedy", "Drama")),
        ("Drama", ("Drama",)),
        ("", ()),
        (" | ", ()),
        ("a | a|b|", ("a", "b")),
    ],
)
def test_text_is_split_into_each_category_once(text: str, parts: tuple[str, ...]) -> None:
    assert split_category(text) == parts


def test_mask_holds_the_items_of_a_category_and_no_others() -> None:
    categories = Categories.of(catalogue("b|a", "", "c", "a"))
    assert categories.names == ("a", "b", "c")
    assert categories.mask("a").tolist() == [True, False, False, True]
    with pytest.raises(KeyError):
        categories.mask("d")


def test_average_is_over_an_items_categories_and_zero_without_any() -> None:
    categories = Categories.of(catalogue("b|a", "", "c"))
    assert categories.average(np.array([1.0, 2.0, 8.0])).tolist() == [1.5, 0, 8]


def test_catalogue_without_categories_has_none() -> None:
    categories = Categories.of(catalogue("", ""))
    assert categories.names == ()
    assert categories.average(np.zeros(0)).tolist() == [0, 0]
    assert [part.tolist() for part in categories.expand(np.array([0, 1]))] == [[], []]


@given(texts=TEXTS, drawn=st.lists(st.integers(0, 5), max_size=8))
def test_expanded_rows_name_every_category_of_their_item(
    texts: list[str], drawn: list[int]
) -> None:
    items_N = np.array([item % len(texts) for item in drawn], dtype=np.int64)
    categories = Categories.of(catalogue(*texts))
    rows, codes = categories.expand(items_N)
    found = [(row, categories.names[code]) for row, code in zip(rows, codes, strict=True)]
    assert found == [
        (row, name) for row, item in enumerate(items_N) for name in split_category(texts[item])
    ]

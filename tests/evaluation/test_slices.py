"""Which rows belong to which slice."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from components.models.predictor import Predictor
from components.params import SliceKind
from components.slices import kind_of, slice_rows


@pytest.fixture
def test_rows(predictor: Predictor) -> pd.DataFrame:
    known = predictor.bundle.users.user_ids[0]
    return pd.DataFrame(
        {
            "user_id": [known, known, "nobody", "nobody"],
            "item_id": ["i000", "i021", "i000", "i022"],  # the last three items were never rated
            "timestamp": [1, 2, 3, 4],
        }
    )


def test_warm_and_cold_are_told_apart_by_the_train_rows(
    test_rows: pd.DataFrame, predictor: Predictor
) -> None:
    slices = slice_rows(test_rows, predictor.bundle, categories=9, few=10**6)
    found = {name: rows.tolist() for name, rows in slices.items()}
    assert found["all"] == [True] * 4
    assert found["warm"] == [True, False, False, False]
    assert found["cold_user"] == [False, False, True, True]
    assert found["cold_item"] == [False, True, False, True]
    assert found["few_ratings"] == [True, True, False, False]
    assert found["early"] == [True, True, False, False]
    assert found["late"] == [False, False, True, True]
    assert "many_ratings" not in found


def test_items_are_old_by_how_long_before_they_were_first_rated(predictor: Predictor) -> None:
    book, catalogue = predictor.bundle.users, predictor.bundle.catalogue
    first = {i: int(book.times_N[book.items_N == i].min()) for i in range(4)}
    rows = pd.DataFrame(
        {
            "user_id": "nobody",
            "item_id": [*catalogue.ids(np.arange(4)), "i021", "nothing"],
            "timestamp": [first[0] + 10, first[1] + 400, first[2] - 5, first[3] + 300, 1, 2],
        }
    )
    slices = slice_rows(rows, predictor.bundle, categories=0, few=1)
    assert np.flatnonzero(slices["recent_item"]).tolist() == [0, 2]
    assert np.flatnonzero(slices["old_item"]).tolist() == [1, 3]


def test_few_is_a_limit_included(test_rows: pd.DataFrame, predictor: Predictor) -> None:
    count = len(predictor.bundle.users.history(0))
    assert "few_ratings" in slice_rows(test_rows, predictor.bundle, categories=0, few=count)
    assert "few_ratings" not in slice_rows(test_rows, predictor.bundle, categories=0, few=count - 1)


def test_categories_are_the_first_of_each_item_and_the_largest_few(
    test_rows: pd.DataFrame, predictor: Predictor
) -> None:
    slices = slice_rows(test_rows, predictor.bundle, categories=1, few=1)
    assert [name for name in slices if name.startswith("category")] == ["category landscape"]
    assert slices["category landscape"].tolist() == [True, False, True, True]


def test_item_outside_the_catalogue_is_cold_and_has_no_category(predictor: Predictor) -> None:
    rows = pd.DataFrame({"user_id": ["nobody"], "item_id": ["nothing"], "timestamp": [0]})
    slices = slice_rows(rows, predictor.bundle, categories=3, few=1)
    assert {"cold_item", "category none"} <= slices.keys()
    assert np.all(list(slices.values()))


def test_kinds_of_slices_are_those_that_the_gates_policy_can_name(
    test_rows: pd.DataFrame, predictor: Predictor
) -> None:
    found = {
        kind_of(name)
        for few in (0, 10**6)
        for name in slice_rows(test_rows, predictor.bundle, few=few)
    }
    found |= {"old_item"}  # takes two ages
    assert found == {"all", *get_args(SliceKind)}

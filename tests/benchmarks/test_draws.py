"""The fixed draws: everybody who follows the rule gets the same rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.comparison.draws import SPLITS, Draw, draw, numbers_of


def make_ratings(rows: int, *, items: int = 12, seed: int = 5) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user_id": [f"u{row}" for row in range(rows)],
            "item_id": [f"i{code}" for code in generator.integers(0, items, rows)],
            "rating": generator.integers(1, 6, rows).astype(float),
            "timestamp": generator.integers(0, 20, rows),
        }
    )


def names_of(rows: pd.DataFrame) -> set[str]:
    return set(rows["user_id"])


def test_folds_are_those_of_the_stated_generator() -> None:
    ratings = make_ratings(100)
    fold_N = np.random.default_rng(0).integers(0, 5, 100)
    for number in range(5):
        found = draw(ratings, "random", number)
        assert found.test["user_id"].tolist() == ratings["user_id"][fold_N == number].tolist()


def test_five_folds_test_every_row_once() -> None:
    ratings = make_ratings(103)
    tested = [user for n in range(5) for user in draw(ratings, "random", n).test["user_id"]]
    assert sorted(tested) == sorted(ratings["user_id"])


def test_global_time_keeps_the_last_fifth_and_the_order_of_the_file_where_times_are_equal() -> None:
    ratings = make_ratings(10).assign(timestamp=[3, 1, 2, 2, 2, 2, 2, 2, 2, 2])
    found = draw(ratings, "global_time", 0)
    assert found.test["user_id"].tolist() == ["u0", "u9"]
    assert found.valid["user_id"].tolist() == ["u8"]


def test_cold_items_are_drawn_from_the_items_in_file_order() -> None:
    ratings = make_ratings(200, items=20)
    items = list(dict.fromkeys(ratings["item_id"]))
    for number in numbers_of("cold_item"):
        drawn = np.random.default_rng(number).choice(items, int(0.2 * len(items)), replace=False)
        assert set(draw(ratings, "cold_item", number).test["item_id"]) == set(drawn)


def test_items_of_the_valid_rows_are_as_cold_as_those_of_the_test() -> None:
    found = draw(make_ratings(300, items=30), "cold_item", 1)
    kinds = [set(rows["item_id"]) for rows in (found.learnt, found.valid, found.test)]
    assert all(kinds)
    assert not kinds[0] & kinds[1]
    assert not (kinds[0] | kinds[1]) & kinds[2]


@given(
    rows=st.integers(40, 120),
    seed=st.integers(0, 10_000),
    split=st.sampled_from(SPLITS),
)
def test_every_row_is_learnt_from_or_valid_or_tested_and_never_two_of_them(
    rows: int, seed: int, split: str
) -> None:
    ratings = make_ratings(rows, seed=seed)
    found = draw(ratings, split, 0)
    parts = [names_of(part) for part in (found.learnt, found.valid, found.test)]
    assert sum(len(part) for part in parts) == rows
    assert set.union(*parts) == names_of(ratings)


@given(seed=st.integers(0, 10_000))
def test_nothing_learnt_by_time_is_later_than_what_it_is_measured_on(seed: int) -> None:
    found = draw(make_ratings(60, seed=seed), "global_time", 0)
    assert found.learnt["timestamp"].max() <= found.valid["timestamp"].min()
    assert found.train["timestamp"].max() <= found.test["timestamp"].min()


@pytest.mark.parametrize(("split", "number"), [("user_time", 0), ("random", 5), ("global_time", 1)])
def test_a_draw_that_there_is_not_is_refused(split: str, number: int) -> None:
    with pytest.raises(ValueError, match=split):
        draw(make_ratings(50), split, number)


def test_only_time_has_a_single_draw_and_no_number_in_its_name() -> None:
    ratings = make_ratings(50)
    found: list[Draw] = [draw(ratings, split, 0) for split in SPLITS]
    assert [each.name for each in found] == ["random 0", "global_time", "cold_item 0"]


@pytest.mark.real_data
def test_the_posters_have_as_many_test_rows_as_others_measured(posters: Path) -> None:
    types = {"user_id": str, "item_id": str}
    ratings = pd.read_csv(posters / "ratings.csv", dtype=types)
    sizes = [len(draw(ratings, split, 0).test) for split in SPLITS[:2]]
    assert sizes == [int((np.random.default_rng(0).integers(0, 5, 58_492) == 0).sum()), 11_699]
    assert draw(ratings, "cold_item", 1).test["item_id"].nunique() == 588

"""The rule writer's rung, against numbers by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.family_params import Rules
from components.models.catalogue import Catalogue, UserBook
from components.models.families import build
from components.training.rules import fit_rules, recent_levels

DAY = 86_400
OPTIONS = Rules(half_life_days=10, prior=2, category_prior=1)


def catalogue(*categories: str) -> Catalogue:
    items = pd.DataFrame(
        {"item_id": [f"i{n}" for n in range(len(categories))], "category": categories}
    )
    return Catalogue(items, np.zeros((len(items), 1), np.float32), np.zeros(len(items), dtype=bool))


def level(residuals: list[float], ages: list[float], *, parent: float = 0.0) -> float:
    found = recent_levels(
        np.zeros(len(residuals), np.int64),
        np.array(residuals),
        np.array([-round(age * DAY) for age in ages], dtype=np.int64),
        parents_G=np.array([parent]),
        prior=2.0,
        half_life_days=10.0,
    )
    return float(found[0])


def test_ratings_of_one_age_are_a_shrunk_mean() -> None:
    assert level([1, 2, 3], [5, 5, 5]) == pytest.approx(6 / 5)


def test_rating_a_half_life_older_counts_half() -> None:
    count = 1.5**2 / 1.25
    assert level([1, 0], [0, 10]) == pytest.approx(count * (1 / 1.5) / (count + 2))


def test_group_without_a_rating_has_its_parents_level() -> None:
    assert level([], [], parent=0.7) == pytest.approx(0.7)


@given(
    rated=st.lists(st.tuples(st.floats(-4, 4), st.integers(0, 30_000)), min_size=1, max_size=8),
    later=st.integers(0, 30_000),
)
def test_level_depends_on_ages_within_the_group_alone(
    rated: list[tuple[float, int]], later: int
) -> None:
    residuals, ages = [r for r, _ in rated], [float(a) for _, a in rated]
    then, now = level(residuals, [age + later for age in ages]), level(residuals, ages)
    assert then == pytest.approx(now, abs=1e-9)
    assert min(0, *residuals) - 1e-9 <= now <= max(0, *residuals) + 1e-9


def test_unrated_item_gets_the_mean_of_its_categories_and_an_image_the_mean_of_all() -> None:
    items = catalogue("a", "b", "a|b", "")
    ratings = pd.DataFrame(
        {
            "user_id": ["u", "v", "u"],
            "item_id": ["i0", "i0", "i1"],
            "rating": [5.0, 5.0, 2.0],
            "timestamp": 7,
        }
    )
    book = UserBook.from_ratings(ratings, items)
    weights = fit_rules(book, items, OPTIONS)
    of_a, of_b = 2 * 1 / (2 + 1), -2 / (1 + 1)
    expected = [
        (2 * 1 + 2 * of_a) / (2 + 2),
        (1 * -2 + 2 * of_b) / (1 + 2),
        (of_a + of_b) / 2,
        0,
    ]
    assert weights["item_bias"].tolist() == pytest.approx(expected)
    model = build("rules", weights, items, book)
    assert model.known_items().paths == ("factors", "factors", "prior", "prior")
    new = model.fold_items(np.zeros((1, 1), np.float32))
    assert (new.bias_B[0], new.paths) == (0, ("prior",))


def test_newer_opinion_of_an_item_wins_over_an_older_one() -> None:
    items = catalogue("", "")
    ratings = pd.DataFrame(
        {
            "user_id": ["u", "v", "u", "v"],
            "item_id": ["i0", "i0", "i1", "i1"],
            "rating": [5.0, 1.0, 1.0, 5.0],
            "timestamp": [100 * DAY, 0, 100 * DAY, 0],
        }
    )
    bias = fit_rules(UserBook.from_ratings(ratings, items), items, OPTIONS)["item_bias"]
    assert bias[0] > 0.5
    assert bias[1] < -0.5


def test_category_of_several_is_read_wherever_it_stands() -> None:
    ratings = pd.DataFrame(
        {"user_id": ["u", "v"], "item_id": ["i0", "i1"], "rating": [5.0, 1.0], "timestamp": 0}
    )
    one, other = catalogue("a|b", "c", "b"), catalogue("b|a", "c", "b")
    levels = [
        fit_rules(UserBook.from_ratings(ratings, items), items, OPTIONS)["item_bias"]
        for items in (one, other)
    ]
    np.testing.assert_array_equal(levels[0], levels[1])

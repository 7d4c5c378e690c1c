"""What trends, by hand; and that nobody in particular gets it, from every family's bundle."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.models.bundle import Bundle
from components.models.catalogue import UserBook
from components.models.predictor import Predictor
from components.models.trending import order_by_trend, trend

DAY = 86_400
NOTHING = np.zeros(0, np.int64)


def book(*rated: tuple[int, float, float]) -> UserBook:
    """One user's ratings: (item, rating, days)."""
    items, ratings, days = zip(*rated, strict=True) if rated else ((), (), ())
    return UserBook(
        ("u",),
        np.array([0, len(rated)]),
        np.array(items, np.int64),
        np.array(ratings, np.float32),
        np.array([round(day * DAY) for day in days], np.int64),
    )


def test_rating_counts_by_its_place_on_the_scale_and_its_age() -> None:
    users = book((0, 5.0, 0), (0, 3.0, 20), (1, 3.0, 30), (2, 1.0, 30))
    found = trend(users, 4, (1.0, 5.0), half_life_days=10)
    assert found.tolist() == pytest.approx([1 / 8 + 0.5 / 2, 0.5, 0, 0])


def test_without_ratings_nothing_trends() -> None:
    assert trend(book(), 3, (1.0, 5.0), 10).tolist() == [0, 0, 0]


@given(
    rated=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([1.0, 2.5, 5.0]), st.integers(0, 400)),
        min_size=1,
        max_size=12,
    ),
    item=st.integers(0, 3),
)
def test_another_good_rating_today_never_moves_an_item_back(
    rated: list[tuple[int, float, int]], item: int
) -> None:
    today = max(day for _, _, day in rated)
    before = trend(book(*rated), 4, (0.5, 5.0), 90)
    after = trend(book(*rated, (item, 5.0, today)), 4, (0.5, 5.0), 90)
    assert after[item] == pytest.approx(before[item] + 1)
    others = np.arange(4) != item
    np.testing.assert_allclose(after[others], before[others])


def test_equal_trends_are_in_the_models_order_and_then_in_the_catalogues() -> None:
    order = order_by_trend(np.array([0, 2.0, 0, 0]), np.float32([1, 0, 3, 1]))
    assert order.tolist() == [1, 2, 0, 3]


@pytest.mark.parametrize(
    "family", ["rules", "biases", "content", "mf", "svdpp", "hybrid", "gru", "sasrec"]
)
def test_nobody_gets_what_trends_and_the_models_ratings(
    learn: Callable[[str], Bundle], family: str
) -> None:
    bundle = learn(family)
    predictor = Predictor(bundle)
    side = predictor.fold_user(None)
    recommended = predictor.recommend(side, 100, NOTHING)
    strength_I = trend(bundle.users, len(bundle.catalogue), bundle.scale, 365)
    listed = bundle.catalogue.find([item.item_id for item in recommended.items])
    assert recommended.path == "rules"
    assert sorted(listed) == list(range(len(bundle.catalogue)))
    assert (np.diff(strength_I[listed]) <= 0).all()
    scores = np.clip(predictor.score(side)[listed], *bundle.scale)
    assert [item.score for item in recommended.items] == pytest.approx(scores.tolist())
    unrated = strength_I[listed] == 0
    assert unrated.any()
    assert (np.diff(predictor.score(side)[listed][unrated]) <= 0).all()


def test_exclusions_and_permissions_hold_for_what_trends(learn: Callable[[str], Bundle]) -> None:
    bundle = learn("biases")
    predictor = Predictor(bundle)
    allowed_I = predictor.categories.mask("night")
    kept = allowed_I.copy()
    first = predictor.recommend(predictor.fold_user(None), 1, NOTHING, allowed_I).items[0]
    index = bundle.catalogue.find([first.item_id])
    assert allowed_I[index[0]]
    rest = predictor.recommend(predictor.fold_user(None), 100, index, allowed_I).items
    assert len(rest) == allowed_I.sum() - 1
    assert first.item_id not in {item.item_id for item in rest}
    np.testing.assert_array_equal(allowed_I, kept)
    everything = np.arange(len(bundle.catalogue))
    assert predictor.recommend(predictor.fold_user(None), 5, everything).items == []


def test_whoever_is_known_gets_the_models_list(learn: Callable[[str], Bundle]) -> None:
    bundle = learn("hybrid")
    predictor = Predictor(bundle)
    side = predictor.fold_user(bundle.users.user_ids[0])
    recommended = predictor.recommend(side, 7, NOTHING)
    assert recommended.items == predictor.rank(side, 7, NOTHING)
    assert recommended.path == "factors"


def test_bundle_without_a_half_life_has_no_rule(learn: Callable[[str], Bundle]) -> None:
    predictor = Predictor(replace(learn("hybrid"), params={}))
    side = predictor.fold_user(None)
    recommended = predictor.recommend(side, 7, NOTHING)
    assert recommended.items == predictor.rank(side, 7, NOTHING)
    assert recommended.path == "prior"

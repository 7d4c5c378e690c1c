"""Lists of the whole catalogue."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from components.evaluation.lists import measure_lists, rank_users
from components.models.bundle import load_bundle
from components.models.catalogue import UNKNOWN
from components.models.predictor import Predictor
from components.paths import Workspace


def test_lists_are_those_that_the_predictor_ranks(predictor: Predictor) -> None:
    book = predictor.bundle.users
    users = [*book.user_ids[:6], None]
    lists = rank_users(predictor, users, 7)
    for row, user in enumerate(users):
        seen = book.history(row if user is not None else UNKNOWN).items_N
        ranked = predictor.rank(predictor.fold_user(user), 7, seen)
        expected = predictor.bundle.catalogue.find([one.item_id for one in ranked])
        np.testing.assert_array_equal(lists[row][: len(expected)], expected)
        assert (lists[row][len(expected) :] == UNKNOWN).all()


def test_blocks_do_not_change_the_lists(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = predictor.bundle.users.user_ids
    whole = rank_users(predictor, users, 5)
    monkeypatch.setattr("components.evaluation.lists._CELLS_AT_ONCE", 50)
    np.testing.assert_array_equal(rank_users(predictor, users, 5), whole)


def test_list_longer_than_the_catalogue_ends_in_unknown(predictor: Predictor) -> None:
    items = len(predictor.bundle.catalogue)
    lists = rank_users(predictor, [predictor.bundle.users.user_ids[0]], items + 5)
    seen = len(predictor.bundle.users.history(0))
    assert (lists[0] != UNKNOWN).sum() == items - seen
    assert lists.shape == (1, items + 5)


def test_liking_what_stands_first_is_perfect_and_what_is_unknown_is_missed(
    predictor: Predictor,
) -> None:
    user = predictor.bundle.users.user_ids[0]
    best = predictor.bundle.catalogue.ids(rank_users(predictor, [user], 1)[0])[0]
    test = pd.DataFrame({"user_id": [user], "item_id": [best], "rating": [5.0]})
    found = measure_lists(predictor, test, k=3, relevant_from=4)
    assert (found.ndcg, found.recall, found.map) == (1, 1, 1)
    assert found.coverage == 3 / len(predictor.bundle.catalogue)
    missed = measure_lists(predictor, test.assign(item_id="nothing"), k=3, relevant_from=4)
    assert (missed.ndcg, missed.recall, missed.map) == (0, 0, 0)


def test_nobody_liked_anything_is_nan(predictor: Predictor) -> None:
    test = pd.DataFrame({"user_id": ["u0"], "item_id": ["i000"], "rating": [1.0]})
    found = measure_lists(predictor, test, k=3, relevant_from=4)
    assert math.isnan(found.ndcg)
    assert math.isnan(found.recall)
    assert math.isnan(found.map)
    assert math.isfinite(found.novelty)
    assert math.isfinite(found.diversity)


def test_popular_lists_are_no_news_and_alike_for_all(learnt: Workspace) -> None:
    popularity = Predictor(load_bundle(learnt.ladder / "popularity"))
    book, catalogue = popularity.bundle.users, popularity.bundle.catalogue
    test = pd.DataFrame({"user_id": book.user_ids, "item_id": "i000", "rating": 5.0})
    found = measure_lists(popularity, test, k=4, relevant_from=4)
    lists = rank_users(popularity, book.user_ids, 4)
    raters_I = np.array([(book.items_N == item).sum() for item in range(len(catalogue))])
    bits = [-math.log2(max(raters_I[item], 1) / len(book)) for item in lists.ravel()]
    assert found.novelty == pytest.approx(np.mean(bits))
    pictured = [row[catalogue.has_image_I[row]] for row in lists]
    distances = [pdist(catalogue.embeddings_IE[row], "cosine").mean() for row in pictured]
    assert found.diversity == pytest.approx(np.mean(distances), abs=1e-5)

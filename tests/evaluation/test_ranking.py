"""Every metric of lists against another implementation and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.metrics import average_precision_score, ndcg_score

from components.evaluation.ranking import (
    average_precision,
    coverage,
    diversity,
    ndcg,
    novelty,
    recall,
)
from components.models.catalogue import UNKNOWN


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_ndcg_agrees_with_scikit_learn(seed: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    liked_I = generator.random(12) < 0.4
    scores_I = generator.permutation(12).astype(float)
    order = np.argsort(-scores_I)[:k]
    ours = ndcg(liked_I[order][None], np.array([liked_I.sum()]))[0]
    if liked_I.any():
        theirs = ndcg_score(liked_I[None].astype(float), scores_I[None], k=k)
        assert ours == pytest.approx(theirs)
    else:
        assert math.isnan(ours)


def test_ndcg_of_empty_truth_is_nan() -> None:
    assert math.isnan(ndcg(np.zeros((1, 3), bool), np.array([0]))[0])


def test_ndcg_of_liked_items_first_is_one_even_if_more_were_liked_than_fit() -> None:
    assert ndcg(np.ones((1, 3), bool), np.array([7]))[0] == pytest.approx(1)


def test_ndcg_by_hand() -> None:
    hits = np.array([[False, True, True]])
    expected = (1 / math.log2(3) + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert ndcg(hits, np.array([2]))[0] == pytest.approx(expected)


def test_recall_is_the_share_of_all_that_was_liked() -> None:
    hits = np.array([[True, False], [True, True], [False, False]])
    assert recall(hits, np.array([4, 2, 1])).tolist() == [0.25, 1, 0]
    assert math.isnan(recall(hits[:1], np.array([0]))[0])


def test_coverage_counts_each_item_once_and_no_empty_place() -> None:
    lists = np.array([[0, 1, UNKNOWN], [1, 2, UNKNOWN]])
    assert coverage(lists, 12) == 0.25
    assert math.isnan(coverage(lists[:0], 0))


@given(st.integers(0, 2**32 - 1))
def test_average_precision_of_a_whole_ranking_agrees_with_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    liked_I = generator.random(15) < 0.3
    liked_I[generator.integers(15)] = True
    scores_I = generator.permutation(15).astype(float)
    ours = average_precision(liked_I[np.argsort(-scores_I)][None], np.array([liked_I.sum()]))
    assert ours[0] == pytest.approx(average_precision_score(liked_I, scores_I))


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 5))
def test_average_precision_of_a_list_is_what_its_words_say(hits: list[bool], missed: int) -> None:
    liked = sum(hits) + missed
    precisions = [sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit]
    found = average_precision(np.array([hits]), np.array([liked]))[0]
    if liked:
        assert found == pytest.approx(sum(precisions) / min(liked, len(hits)))
        assert 0 <= found <= 1
    else:
        assert math.isnan(found)


def test_average_precision_by_hand() -> None:
    hits = np.array([[True, False, True], [True, True, True], [False, False, False]])
    found = average_precision(hits, np.array([2, 9, 4]))
    assert found.tolist() == pytest.approx([(1 + 2 / 3) / 2, 1, 0])


def test_novelty_is_the_bits_by_which_a_list_surprises() -> None:
    raters_I = np.array([8, 4, 1, 0])
    lists = np.array([[0, 0], [0, 1], [2, 3], [1, UNKNOWN], [UNKNOWN, UNKNOWN]])
    found = novelty(lists, raters_I, 8)
    assert found[:4].tolist() == [0, 0.5, 3, 1]
    assert math.isnan(found[4])
    assert math.isnan(novelty(np.array([[UNKNOWN]]), raters_I[:0], 0)[0])


@given(st.integers(0, 2**32 - 1), st.integers(2, 7))
def test_diversity_agrees_with_scipy(seed: int, places: int) -> None:
    generator = np.random.default_rng(seed)
    embeddings_IE = generator.normal(0.3, 1, (9, 4)).astype(np.float32)
    lists = np.stack([generator.permutation(9)[:places] for _ in range(3)])
    expected = [pdist(embeddings_IE[row].astype(np.float64), "cosine").mean() for row in lists]
    assert diversity(lists, embeddings_IE) == pytest.approx(expected, abs=1e-5)


def test_diversity_leaves_out_items_without_an_image_and_empty_places() -> None:
    embeddings_IE = np.float32([[1, 0], [0, 2], [0, 0], [3, 3]])
    lists = np.array([[0, 1, 2], [0, 1, UNKNOWN], [0, 3, UNKNOWN], [2, 0, UNKNOWN]])
    found = diversity(lists, embeddings_IE)
    assert found[:3].tolist() == pytest.approx([1, 1, 1 - math.sqrt(0.5)])
    assert math.isnan(found[3])


def test_blocks_of_lists_do_not_change_the_diversity(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    embeddings_IE = generator.random((20, 4), np.float32)
    lists = generator.integers(-1, 20, (50, 5))
    whole = diversity(lists, embeddings_IE)
    monkeypatch.setattr("components.evaluation.ranking._CELLS_AT_ONCE", 60)
    np.testing.assert_array_equal(diversity(lists, embeddings_IE), whole)

"""NDCG, recall and coverage against another implementation and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from components.evaluation.ranking import coverage, ndcg, recall
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

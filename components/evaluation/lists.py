"""The lists that a model would show: the whole catalogue ranked, without what a user has seen.

Dimension letters as in `components.evaluation.ranking`, and I items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.evaluation.ranking import coverage, ndcg, recall
from components.models.catalogue import UNKNOWN, Bools, Ints
from components.models.predictor import Predictor

_CELLS_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class ListQuality:
    """Means over users who liked something in the test; NaN where nobody did."""

    ndcg: float
    recall: float
    coverage: float


def rank_users(predictor: Predictor, user_ids: Sequence[str | None], k: int) -> Ints:
    """Return each user's list (U, k) of dense item indices, best first; equal scores by index.

    Items that the user rated in training are left out; None stands for somebody new. A list that
    runs out of items ends in UNKNOWN.
    """
    items = len(predictor.bundle.catalogue)
    block = max(1, _CELLS_AT_ONCE // max(items, 1))
    parts = [
        _rank_block(predictor, user_ids[start : start + block], k)
        for start in range(0, len(user_ids), block)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, k), np.int64)


def measure_lists(
    predictor: Predictor, test: pd.DataFrame, *, k: int, relevant_from: float
) -> ListQuality:
    """Rank the catalogue for every user of the test rows and measure the lists.

    A test row is liked if its rating is at least `relevant_from`; liked items that the catalogue
    does not hold count as missed.
    """
    users, user_N = np.unique(
        test["user_id"].to_numpy(dtype=object).astype(str), return_inverse=True
    )
    lists_UK = rank_users(predictor, users.tolist(), k)
    liked_N = (test["rating"] >= relevant_from).to_numpy()
    items_N = predictor.bundle.catalogue.find(test["item_id"].tolist())
    liked_U = np.bincount(user_N[liked_N], minlength=len(users))
    hits_UK = _find_hits(
        lists_UK, user_N[liked_N], items_N[liked_N], len(predictor.bundle.catalogue)
    )
    return ListQuality(
        _mean(ndcg(hits_UK, liked_U)),
        _mean(recall(hits_UK, liked_U)),
        coverage(lists_UK, len(predictor.bundle.catalogue)),
    )


def _rank_block(predictor: Predictor, user_ids: Sequence[str | None], k: int) -> Ints:
    scores_BI = predictor.score_users(predictor.fold_all(user_ids))
    book = predictor.bundle.users
    for row, user_id in enumerate(user_ids):
        seen = book.history(UNKNOWN if user_id is None else int(book.find([user_id])[0]))
        scores_BI[row, seen.items_N] = -np.inf
    shown = min(k, scores_BI.shape[1])
    lists_BK = np.full((len(user_ids), k), UNKNOWN, np.int64)
    # By score, then by index: a stable sort of what a partition leaves would break ties by chance.
    best_BK = np.argsort(-scores_BI, axis=1, kind="stable")[:, :shown]
    seen_BK = np.isneginf(np.take_along_axis(scores_BI, best_BK, axis=1))
    lists_BK[:, :shown] = np.where(seen_BK, UNKNOWN, best_BK)
    return lists_BK


def _find_hits(lists_UK: Ints, user_N: Ints, items_N: Ints, items: int) -> Bools:
    known = items_N != UNKNOWN
    liked = user_N[known] * items + items_N[known]
    places_UK = np.arange(len(lists_UK))[:, None] * items + lists_UK
    return np.isin(places_UK, liked) & (lists_UK != UNKNOWN)


def _mean(values_U: np.ndarray) -> float:
    return float(np.nanmean(values_U)) if np.isfinite(values_U).any() else float("nan")

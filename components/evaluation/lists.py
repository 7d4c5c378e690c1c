"""The lists that a model would show: the whole catalogue ranked, without what a user has seen.

Dimension letters as in `components.evaluation.ranking`, and I items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.evaluation.ranking import (
    average_precision,
    coverage,
    diversity,
    ndcg,
    novelty,
    recall,
)
from components.models.catalogue import UNKNOWN, Bools, Ints
from components.models.predictor import Predictor

_CELLS_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class ListQuality:
    """What a model's lists of k are worth, each number as `components.evaluation.ranking` says.

    ndcg, recall and map are means over the users who liked something in the test, novelty (bits)
    and diversity (cosine distance) over all whose lists have them; NaN where nobody's has.
    """

    ndcg: float
    recall: float
    map: float
    coverage: float
    novelty: float
    diversity: float


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
    catalogue, book = predictor.bundle.catalogue, predictor.bundle.users
    users, user_N = np.unique(
        test["user_id"].to_numpy(dtype=object).astype(str), return_inverse=True
    )
    lists_UK = rank_users(predictor, users.tolist(), k)
    liked_N = (test["rating"] >= relevant_from).to_numpy()
    items_N = catalogue.find(test["item_id"].tolist())
    liked_U = np.bincount(user_N[liked_N], minlength=len(users))
    hits_UK = _find_hits(lists_UK, user_N[liked_N], items_N[liked_N], len(catalogue))
    raters_I = np.bincount(book.items_N, minlength=len(catalogue))
    return ListQuality(
        ndcg=_mean(ndcg(hits_UK, liked_U)),
        recall=_mean(recall(hits_UK, liked_U)),
        map=_mean(average_precision(hits_UK, liked_U)),
        coverage=coverage(lists_UK, len(catalogue)),
        novelty=_mean(novelty(lists_UK, raters_I, len(book))),
        diversity=_mean(diversity(lists_UK, catalogue.embeddings_IE)),
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

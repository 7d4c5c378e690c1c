"""How good lists are (NDCG, recall, MAP), and how wide (coverage, novelty, diversity).

Dimension letters: U users, K places of a list, I items, E embedding. `hits_UK` says where a user's
list shows an item that the user liked; `liked_U` counts all items that the user liked, shown or
not. Places of `lists_UK` that are left empty hold UNKNOWN.
"""

import numpy as np

from components.models.catalogue import UNKNOWN, Bools, Floats, Ints

_CELLS_AT_ONCE = 1 << 24


def ndcg(hits_UK: Bools, liked_U: Ints) -> np.ndarray:
    """Return each user's NDCG@K in 0 to 1; NaN for a user who liked nothing.

    DCG = Σ hit / log2(place + 1), divided by the DCG of a list that shows liked items only:
    Järvelin and Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques".
    """
    places = hits_UK.shape[1]
    discount_K = 1 / np.log2(np.arange(2, places + 2))
    ideal_K = np.concatenate([[0], np.cumsum(discount_K)])
    ideal_U = ideal_K[np.minimum(liked_U, places)]
    return _divide(hits_UK @ discount_K, ideal_U)


def recall(hits_UK: Bools, liked_U: Ints) -> np.ndarray:
    """Return the share of liked items that each user's list shows; NaN for who liked nothing.

    A list shorter than what was liked cannot reach 1: the denominator is all that was liked.
    """
    return _divide(hits_UK.sum(1).astype(np.float64), liked_U)


def average_precision(hits_UK: Bools, liked_U: Ints) -> np.ndarray:
    """Return each user's AP@K in 0 to 1, whose mean is MAP@K; NaN for a user who liked nothing.

    AP = Σ over the places of hits (hits so far / place) / min(liked, K): Manning, Raghavan and
    Schütze (2008), "Introduction to Information Retrieval", 8.4; cut off at K, the best that a
    list of K places can reach is 1.
    """
    places = hits_UK.shape[1]
    precision_UK = np.cumsum(hits_UK, axis=1) / np.arange(1, places + 1)
    return _divide((precision_UK * hits_UK).sum(1), np.minimum(liked_U, places))


def coverage(lists_UK: Ints, items: int) -> float:
    """Return the share of a catalogue of `items` that at least one list shows.

    Catalogue coverage of Ge, Delgado-Battenfeld and Jannach (2010), "Beyond accuracy". Places
    left empty (UNKNOWN) do not count; NaN for an empty catalogue.
    """
    shown = np.unique(lists_UK)
    return len(shown[shown != UNKNOWN]) / items if items else float("nan")


def novelty(lists_UK: Ints, raters_I: Ints, users: int) -> np.ndarray:
    """Return each list's mean self-information in bits, −log2 (the share of users who rated it).

    Vargas and Castells (2011), "Rank and relevance in novelty and diversity metrics for
    recommender systems". An item that nobody rated counts as rated by one: so the most
    that can be reached is log2 of the `users` behind `raters_I`. NaN for an empty list.
    """
    bits_I = np.log2(max(users, 1)) - np.log2(np.maximum(raters_I, 1))
    is_shown_UK = lists_UK != UNKNOWN
    if not len(raters_I):
        return np.full(len(lists_UK), np.nan)
    bits_UK = bits_I[lists_UK] * is_shown_UK
    return _divide(bits_UK.sum(1), is_shown_UK.sum(1))


def diversity(lists_UK: Ints, embeddings_IE: Floats) -> np.ndarray:
    """Return each list's mean cosine distance, 1 − cos, over all pairs of its items' looks.

    Intra-list similarity of Ziegler et al. (2005), "Improving recommendation lists through topic
    diversification", as a distance. Items without an image (a row of zeros) are left out;
    NaN for a list with fewer than two that have one.
    """
    norms_I = np.linalg.norm(embeddings_IE, axis=1)
    looks_IE = embeddings_IE / np.maximum(norms_I, np.finfo(np.float32).tiny)[:, None]
    has_look_I = np.append(norms_I > 0, False)  # the last is for UNKNOWN
    diversity_U = np.full(len(lists_UK), np.nan)
    block = max(1, _CELLS_AT_ONCE // max(lists_UK.shape[1] * embeddings_IE.shape[1], 1))
    for start in range(0, len(lists_UK), block):
        rows = slice(start, start + block)
        diversity_U[rows] = _mean_distance(lists_UK[rows], looks_IE, has_look_I)
    return diversity_U


def _mean_distance(lists_BK: Ints, looks_IE: Floats, has_look_I: Bools) -> np.ndarray:
    # |Σ v|² = n + 2 Σ over pairs of cos, for vectors of length 1: no K × K products needed.
    counted_BK = has_look_I[lists_BK]
    summed_BE = np.zeros((len(lists_BK), looks_IE.shape[1]), np.float64)
    for place in range(lists_BK.shape[1]):
        rows = np.flatnonzero(counted_BK[:, place])
        summed_BE[rows] += looks_IE[lists_BK[rows, place]]
    count_B = counted_BK.sum(1)
    cosines_B = np.square(summed_BE).sum(1) - count_B
    return 1 - _divide(cosines_B, count_B * (count_B - 1))


def _divide(above_U: np.ndarray, below_U: np.ndarray) -> np.ndarray:
    undefined = np.full(len(above_U), np.nan)
    return np.divide(above_U, below_U, out=undefined, where=below_U > 0)

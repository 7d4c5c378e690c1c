"""How good lists are: NDCG@k, recall@k and the share of the catalogue that they ever show.

Dimension letters: U users, K places of a list. `hits_UK` says where a user's list shows an item
that the user liked; `liked_U` counts all items that the user liked, shown or not.
"""

import numpy as np

from components.models.catalogue import UNKNOWN, Bools, Ints


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


def coverage(lists_UK: Ints, items: int) -> float:
    """Return the share of a catalogue of `items` that at least one list shows.

    Catalogue coverage of Ge, Delgado-Battenfeld and Jannach (2010), "Beyond accuracy". Places
    left empty (UNKNOWN) do not count; NaN for an empty catalogue.
    """
    shown = np.unique(lists_UK)
    return len(shown[shown != UNKNOWN]) / items if items else float("nan")


def _divide(above_U: np.ndarray, below_U: np.ndarray) -> np.ndarray:
    undefined = np.full(len(above_U), np.nan)
    return np.divide(above_U, below_U, out=undefined, where=below_U > 0)

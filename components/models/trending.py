"""What is rated often, of late and well: the list for somebody of whom nothing is known.

Dimension letters as in `components.models`.
"""

import numpy as np

from components.models.catalogue import Floats, Ints, UserBook

_SECONDS_A_DAY = 86_400


def trend(
    users: UserBook, items: int, scale: tuple[float, float], half_life_days: float
) -> np.ndarray:
    """Return Σ 2^(−age / half-life) × the rating's place on the scale, of each item (I,).

    The place is 0 for the lowest rating and 1 for the highest; ages count from the newest rating
    of all, and a later one moves no item past another. Zero where nobody rated. Time decay as in
    Ding and Li (2005), "Time weight collaborative filtering".
    """
    if not len(users.items_N):
        return np.zeros(items)
    lowest, highest = scale
    ages_N = (users.times_N.max() - users.times_N) / (_SECONDS_A_DAY * half_life_days)
    places_N = (users.ratings_N.astype(np.float64) - lowest) / (highest - lowest)
    return np.bincount(users.items_N, weights=np.exp2(-ages_N) * places_N, minlength=items)


def order_by_trend(trend_I: np.ndarray, scores_I: Floats) -> Ints:
    """Return all items (I,), strongest trend first; equals by score, then by index.

    So items that nobody rated come last, in the order of what the model makes of their looks.
    """
    return np.lexsort((-scores_I, -trend_I))

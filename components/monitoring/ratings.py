"""Whether people rate otherwise than what was learnt, once what they were shown is allowed for.

    N ratings, M of them in service, T draws, B bins

What a good recommender shows is rated higher than what it learnt from: that is no drift. So each
rating is put beside the test ratings of pairs for which as much had been predicted, and its rank
among them is looked at: if nothing changed, ranks are spread evenly, whatever was shown.
"""

import numpy as np

from components.models.catalogue import Ints
from components.monitoring.checks import Finding
from components.monitoring.psi import psi
from components.monitoring.reference import Rated
from components.monitoring.resampling import Pool
from components.statistics import Reals

_BINS = 10
# Test rows with the most like predictions that a rating is ranked among.
_PEERS = 200


def find_shift(online: Rated, promised: Rated, *, least: float, draws: int, seed: int) -> Finding:
    """Return the PSI of the ranks of ratings given in service against those of test ratings."""
    theirs_N, ours_M = (_bin(rank(one, promised)) for one in (promised, online))
    value = psi(_count(theirs_N[None])[0], _count(ours_M[None])[0])
    pool = Pool.of(promised.users_N)
    counts_UB = pool.sum_by_user(np.eye(_BINS)[theirs_N])
    unchanged = [
        psi(draw.times_TU @ counts_UB, _count(theirs_N[draw.rows_TM]))
        for draw in pool.draw(online.users_N, draws, seed)
    ]
    drawn_T = np.concatenate(unchanged)
    return Finding("ratings", float(value), drawn_T, least, len(online), len(promised))


def rank(rated: Rated, among: Rated) -> Reals:
    """Return each rating's rank (0 to 1) among test ratings of like predictions; ties halve."""
    order = np.argsort(among.predicted_N, kind="stable")
    peers = min(_PEERS, len(among))
    near_M = np.searchsorted(among.predicted_N[order], rated.predicted_N)
    first_M = np.clip(near_M - peers // 2, 0, len(among) - peers)
    windows = np.lib.stride_tricks.sliding_window_view(among.ratings_N[order], peers)[first_M]
    below = (windows < rated.ratings_N[:, None]).mean(1)
    same = (windows == rated.ratings_N[:, None]).mean(1)
    ranks: Reals = below + same / 2
    return ranks


def _bin(ranks_N: Reals) -> Ints:
    return np.minimum((ranks_N * _BINS).astype(np.int64), _BINS - 1)


def _count(bins_TN: Ints) -> Reals:
    """Return how many of each row are in each bin."""
    rows = len(bins_TN)
    apart = bins_TN + np.arange(rows)[:, None] * _BINS
    return np.bincount(apart.ravel(), minlength=rows * _BINS).reshape(rows, _BINS) * 1.0

"""Whether people rate otherwise than what was learnt, once what they were shown is allowed for.

    N ratings, M of them in service, T draws, B bins

What a good recommender shows is rated higher than what it learnt from: that is no drift. So each
rating is put beside the test ratings of pairs for which about as much had been predicted, and the
rank among them of how far above its prediction it lies is looked at: if nothing changed, ranks are
spread as those of the test are, whatever was shown.
"""

from dataclasses import dataclass

import numpy as np

from components.models.catalogue import Ints
from components.monitoring.checks import Finding
from components.monitoring.reference import Rated
from components.monitoring.resampling import Pool
from components.psi import psi
from components.statistics import Reals

_BINS = 10
# Test rows with the most like predictions that a rating is ranked among: a tenth of them, within
# these bounds.
_FEWEST_PEERS, _MOST_PEERS = 30, 200


@dataclass(frozen=True)
class Given:
    """Ratings given in service beside those of the test: their means, and the PSI between them.

    Nobody judges these: they hold what was shown as well as how it was liked.
    """

    mean: float
    learnt: float
    psi: float


def describe(online: Rated, promised: Rated) -> Given:
    """Return how ratings in service differ from those that were learnt, as they are."""
    values, codes = np.unique(
        np.concatenate([promised.ratings_N, online.ratings_N]), return_inverse=True
    )
    # Scales with few steps have a bin a step, others ten with equally many ratings.
    bins = codes if len(values) <= 2 * _BINS else _deciles(values[codes], promised.ratings_N)
    sides = bins[: len(promised)], bins[len(promised) :]
    theirs_B, ours_B = (np.bincount(side, minlength=bins.max() + 1) * 1.0 for side in sides)
    index = float(psi(theirs_B, ours_B))
    return Given(float(online.ratings_N.mean()), float(promised.ratings_N.mean()), index)


def find_shift(online: Rated, promised: Rated, *, least: float, draws: int, seed: int) -> Finding:
    """Return how many more ratings than in the test are surprisingly low, or high, as a share.

    That is the largest difference of the two distributions of ranks, counted from either end up to
    the middle: one-sided, as in Kolmogorov-Smirnov's test. A model that has become better makes
    fewer ratings surprising, which is no drift.
    """
    theirs_N, ours_M = (_bin(rank(one, promised)) for one in (promised, online))
    value = _excess(_count(theirs_N[None]), _count(ours_M[None]))[0]
    pool = Pool.of(promised.users_N)
    counts_UB = pool.sum_by_user(np.eye(_BINS)[theirs_N])
    unchanged = [
        _excess(draw.times_TU @ counts_UB, _count(theirs_N[draw.rows_TM]))
        for draw in pool.draw(online.users_N, draws, seed)
    ]
    drawn_T = np.concatenate(unchanged)
    return Finding("ratings", float(value), drawn_T, least, len(online), len(promised))


def rank(rated: Rated, among: Rated) -> Reals:
    """Return the rank (0 to 1) of each rating, less its prediction, among test ratings alike.

    Those are the ones of the most like predictions; ties halve. What is left of a difference in
    predictions is taken off, for lists may lie above nearly all of a small test.
    """
    order = np.argsort(among.predicted_N, kind="stable")
    peers = min(max(len(among) // 10, _FEWEST_PEERS), _MOST_PEERS, len(among))
    known_N = among.predicted_N[order]
    near_M = np.mean(
        [np.searchsorted(known_N, rated.predicted_N, side) for side in ("left", "right")], axis=0
    ).astype(np.int64)
    first_M = np.clip(near_M - peers // 2, 0, len(among) - peers)
    above_N = (among.ratings_N - among.predicted_N)[order]
    windows = np.lib.stride_tricks.sliding_window_view(above_N, peers)[first_M]
    above_M = (rated.ratings_N - rated.predicted_N)[:, None]
    below, same = (windows < above_M).mean(1), (windows == above_M).mean(1)
    ranks: Reals = below + same / 2
    return ranks


def _deciles(ratings_N: Reals, learnt_N: Reals) -> Ints:
    edges = np.unique(np.quantile(learnt_N, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins: Ints = np.searchsorted(edges, ratings_N)
    return bins


def _bin(ranks_N: Reals) -> Ints:
    return np.minimum((ranks_N * _BINS).astype(np.int64), _BINS - 1)


def _count(bins_TN: Ints) -> Reals:
    """Return how many of each row are in each bin."""
    rows = len(bins_TN)
    apart = bins_TN + np.arange(rows)[:, None] * _BINS
    return np.bincount(apart.ravel(), minlength=rows * _BINS).reshape(rows, _BINS) * 1.0


def _excess(expected_TB: Reals, actual_TB: Reals) -> Reals:
    more_TB = actual_TB / actual_TB.sum(1, keepdims=True)
    more_TB = more_TB - expected_TB / expected_TB.sum(1, keepdims=True)
    half = _BINS // 2
    low = np.cumsum(more_TB[:, :half], axis=1)
    high = np.cumsum(more_TB[:, : half - 1 : -1], axis=1)
    excess: Reals = np.concatenate([low, high], axis=1).max(1)
    return excess

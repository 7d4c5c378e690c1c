"""Who asks: more strangers than the version was tested on, or people who ask more or less often.

U users, T draws, B bins
"""

import numpy as np
import numpy.typing as npt

from components.models.catalogue import Bools
from components.monitoring.checks import Finding
from components.statistics import Reals

_CELLS_AT_ONCE = 4_000_000
# Bins of how often somebody asked: 1, 2-3, 4-7 and so on.
_BINS = 24

Counts = npt.NDArray[np.int64]


def find_strangers(
    known_U: Bools, tested_U: Bools, *, least: float, draws: int, seed: int
) -> Finding:
    """Return by how much the share of unknown users exceeds that among the test's users.

    Both say of each user whether the version had learnt anything of them. If nothing changed, any
    of them might as well have been of the other group: Fisher's exact test, drawn.
    """
    asked, tested = len(known_U), len(tested_U)
    unknown = int((~known_U).sum()) + int((~tested_U).sum())
    generator = np.random.default_rng(seed)
    drawn_T = generator.hypergeometric(unknown, asked + tested - unknown, asked, draws)
    value = (~known_U).mean() - (~tested_U).mean()
    unchanged_T = drawn_T / asked - (unknown - drawn_T) / tested
    return Finding("users", float(value), unchanged_T, least, asked, tested)


def find_activity(
    lately_U: Counts, before_U: Counts, *, least: float, draws: int, seed: int
) -> Finding:
    """Return how far apart two equally long times lie in how often each user asked.

    Kolmogorov-Smirnov's distance between the shares of those who asked once, twice or thrice, four
    to seven times and so on, among those who asked at all. If nothing changed, a user's two times
    might be swapped, so each draw tosses a coin for each user.
    """
    lately_UB, before_UB = _spread(lately_U), _spread(before_U)
    value = _distance(lately_UB.sum(0)[None], before_UB.sum(0)[None])[0]
    both_B, gain_UB = (lately_UB + before_UB).sum(0), before_UB - lately_UB
    generator = np.random.default_rng(seed)
    block = max(1, _CELLS_AT_ONCE // max(len(lately_U), 1))
    parts = []
    for start in range(0, draws, block):
        coins = generator.integers(0, 2, (min(block, draws - start), len(lately_U)), np.int8)
        drawn_TB = lately_UB.sum(0) + coins.astype(np.float32) @ gain_UB
        parts.append(_distance(drawn_TB, both_B - drawn_TB))
    asked, asked_before = int((lately_U > 0).sum()), int((before_U > 0).sum())
    return Finding("activity", float(value), np.concatenate(parts), least, asked, asked_before)


def _spread(counts_U: Counts) -> npt.NDArray[np.float32]:
    """Return in which bin each user is, as ones (U, B); nowhere who did not ask."""
    bins_U = np.minimum(np.log2(np.maximum(counts_U, 1)).astype(np.int64), _BINS - 1)
    spread = np.zeros((len(counts_U), _BINS), np.float32)
    spread[np.arange(len(counts_U)), bins_U] = counts_U > 0
    return spread


def _distance(one_TB: Reals, other_TB: Reals) -> Reals:
    apart: Reals = np.abs(_climb(one_TB) - _climb(other_TB)).max(1)
    return apart


def _climb(counts_TB: Reals) -> Reals:
    totals = counts_TB.sum(1, keepdims=True)
    climb: Reals = np.cumsum(counts_TB, axis=1, dtype=np.float64) / np.where(totals > 0, totals, 1)
    return climb

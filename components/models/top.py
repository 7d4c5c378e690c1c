"""The best of many scores, exactly, without sorting or even copying them all."""

import numpy as np

from components.models.catalogue import Floats, Ints

# Below so many scores, one partition of them all costs less than the detour.
_WORTH_BLOCKS = 4096
_BLOCK = 128
# So few are sorted whole before anything could be left out.
_FEW = 256


def find_top(scores_I: Floats, k: int) -> Ints:
    """Return the indices of the k best scores, best first, equal ones by index; −inf never.

    Of I scores in blocks, the k-th best of the blocks' maxima bounds the k-th best score from
    below: so only scores that reach it take part. One pass over memory instead of a partition.
    """
    if k < 1:
        return np.zeros(0, np.int64)
    if len(scores_I) <= _FEW:
        order = np.argsort(-scores_I, kind="stable")[:k]
        return order[scores_I[order] > -np.inf]
    bound = _bound(scores_I, k)
    taking_part = np.flatnonzero(scores_I >= bound) if np.isfinite(bound) else _finite(scores_I)
    if len(taking_part) > k:
        scores = scores_I[taking_part]
        kth = np.partition(scores, len(scores) - k)[len(scores) - k]
        taking_part = taking_part[scores >= kth]
    order = np.lexsort((taking_part, -scores_I[taking_part]))
    return taking_part[order[:k]]


def _bound(scores_I: Floats, k: int) -> float:
    blocks = len(scores_I) // _BLOCK
    if len(scores_I) < _WORTH_BLOCKS or k > blocks // 2:
        return float("-inf")
    maxima = scores_I[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
    return float(np.partition(maxima, blocks - k)[blocks - k])


def _finite(scores_I: Floats) -> Ints:
    return np.flatnonzero(np.isfinite(scores_I))

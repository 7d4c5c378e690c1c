"""Whether items that came in look otherwise than those that were learnt.

N items that were learnt, M new ones, E width of an embedding, T draws
"""

import numpy as np

from components.models.catalogue import Floats
from components.monitoring.checks import Finding
from components.statistics import Reals

_DRAWS_AT_ONCE = 1_000


def find_shift(
    new_ME: Floats, learnt_NE: Floats, *, least: float, draws: int, seed: int
) -> Finding:
    """Return the energy distance of two sets of looks, as a share from 0 (alike) to 1.

    (2 E|x − y| − E|x − x'| − E|y − y'|) / 2 E|x − y| over embeddings of length one: Székely and
    Rizzo (2013), "Energy statistics". If nothing changed, each item might as well be of the other
    set, so the draws deal all items out anew.
    """
    looks = _normalise(np.concatenate([new_ME, learnt_NE]))
    apart = _distances(looks)
    is_new = np.arange(len(looks)) < len(new_ME)
    value = _share(is_new[None].astype(np.float32), apart)[0]
    generator = np.random.default_rng(seed)
    parts = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start)
        dealt = generator.permuted(np.tile(is_new, (size, 1)), axis=1)
        parts.append(_share(dealt.astype(np.float32), apart))
    drawn_T = np.concatenate(parts)
    return Finding("images", float(value), drawn_T, least, len(new_ME), len(learnt_NE))


def _normalise(looks: Floats) -> Floats:
    lengths = np.linalg.norm(looks, axis=1, keepdims=True)
    return np.asarray(looks / np.where(lengths > 0, lengths, 1), np.float32)


def _distances(looks: Floats) -> Floats:
    lengths = np.square(looks).sum(1)  # one, but for an image of nothing
    squares = np.maximum(lengths[:, None] + lengths - 2 * (looks @ looks.T), 0)
    np.fill_diagonal(squares, 0)
    return np.sqrt(squares, dtype=np.float32)


def _share(is_new_TL: Floats, apart_LL: Floats) -> Reals:
    """Return the distance of each of T ways to deal items out; those of one set count in full.

    The mean within a set counts each item beside itself, so the share is never negative.
    """
    reach_TL = is_new_TL @ apart_LL
    new, total = is_new_TL.sum(1, dtype=np.float64), len(apart_LL)
    all_T = apart_LL.sum(dtype=np.float64)
    to_new_T = reach_TL.sum(1, dtype=np.float64)
    within_new_T = np.einsum("tl,tl->t", reach_TL, is_new_TL, dtype=np.float64)
    across_T = to_new_T - within_new_T
    within_old_T = all_T - to_new_T - across_T
    between = 2 * across_T / (new * (total - new))
    inside = within_new_T / new**2 + within_old_T / (total - new) ** 2
    return np.divide(between - inside, between, out=np.zeros_like(between), where=between > 0)

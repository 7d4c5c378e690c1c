"""What a user's ratings told in the second of each of them, fading with time and with ratings.

Dimension letters as in `components.training.tensors`, F scales, and M moments: the ratings that one
user gave in one second, which do not see one another.
"""

import numpy as np

from components.models.catalogue import Floats, Ints, UserBook


def fade_levels(
    book: UserBook, residuals_N: np.ndarray, rates_F2: Floats, prior: float
) -> tuple[Floats, Ints]:
    """Return the levels (N, F) before the second of each rating, and where its past ends (N,).

    As `components.models.session.Session` works them out, whose rates are per second and per
    rating, but in one walk: what was summed up so far fades from one moment to the next. The walk
    takes one step a rank, all users that have it at once.
    """
    starts_M, offsets_U = _find_moments(book)
    counts_M = np.diff(np.append(starts_M, len(residuals_N)))
    sums_M2 = np.stack([np.add.reduceat(residuals_N, starts_M), counts_M], axis=1)
    times_M, rates_F2 = book.times_N[starts_M], rates_F2.astype(np.float64)
    lengths_U = np.diff(offsets_U)
    by_length_U = np.argsort(-lengths_U, kind="stable")
    state_UF2 = np.zeros((len(lengths_U), len(rates_F2), 2))
    levels_MF = np.zeros((len(starts_M), len(rates_F2)), np.float32)
    for rank in range(int(lengths_U.max(initial=0))):
        has_it = int(np.searchsorted(-lengths_U[by_length_U], -rank, side="left"))
        users = by_length_U[:has_it]
        moments = offsets_U[users] + rank
        if rank:
            gaps = times_M[moments] - times_M[moments - 1]
            state_UF2[users] *= np.exp(-gaps[:, None] * rates_F2[:, 0])[:, :, None]
        state = state_UF2[users]
        levels_MF[moments] = state[:, :, 0] / (state[:, :, 1] + prior)
        count = counts_M[moments][:, None]
        fading, places = np.exp(-count * rates_F2[:, 1]), np.exp(-(count - 1) / 2 * rates_F2[:, 1])
        added = sums_M2[moments][:, None, :] * places[:, :, None]
        state_UF2[users] = state * fading[:, :, None] + added
    return np.repeat(levels_MF, counts_M, axis=0), np.repeat(starts_M, counts_M)


def _find_moments(book: UserBook) -> tuple[Ints, Ints]:
    """Return the first row of each moment (M,), and where each user's moments begin (U + 1,)."""
    starts = np.zeros(len(book.ratings_N), bool)
    starts[1:] = np.diff(book.times_N) != 0
    starts[book.offsets[:-1][np.diff(book.offsets) > 0]] = True
    starts_M = np.flatnonzero(starts)
    return starts_M, np.searchsorted(starts_M, book.offsets)

"""What a session's mood counts for: fitted in closed form, each learnt rating on those before it.

Dimension letters as in `components.training.tensors`, F scales, and M moments: the ratings that one
user gave in one second, which do not see one another.
"""

import numpy as np

from components.models.catalogue import Floats, Ints, UserBook
from components.models.session import above_mean

# How long a rating lasts at each scale: seconds, and ratings that came since.
_SCALES = (
    (60.0, np.inf),
    (300.0, np.inf),
    (1_800.0, np.inf),
    (6 * 3_600.0, np.inf),
    (3 * 86_400.0, np.inf),
    (60 * 86_400.0, np.inf),
    (np.inf, 2.0),
    (np.inf, 6.0),
    (np.inf, 20.0),
    (86_400.0, 3.0),
    (86_400.0, 5.0),
    (3_600.0, 8.0),
)
RATES_F2: Floats = (1 / np.array(_SCALES)).astype(np.float32)


def read_moods(book: UserBook, mean: float, user_prior: float, prior: float) -> np.ndarray:
    """Return the levels (N, F) in the second of each of a book's ratings.

    As `components.models.session.Session` works them out, but in one walk: what was summed up so
    far fades from one moment to the next. The walk takes one step a rank, all users that have it at
    once.
    """
    residuals_N = np.concatenate(
        [
            above_mean(part, mean, user_prior)
            for part in np.split(book.ratings_N, book.offsets[1:-1])
        ]
    )
    starts_M, offsets_U = _find_moments(book)
    counts_M = np.diff(np.append(starts_M, len(residuals_N)))
    sums_M2 = np.stack([np.add.reduceat(residuals_N, starts_M), counts_M], axis=1)
    times_M, rates_F2 = book.times_N[starts_M], RATES_F2.astype(np.float64)
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
    return np.repeat(levels_MF, counts_M, axis=0)


def weigh_moods(levels_NF: np.ndarray, errors_N: np.ndarray, prior: float) -> Floats:
    """Return the weights (F,) by which the levels explain what is left of the ratings, by ridge."""
    levels_NF = levels_NF.astype(np.float64)
    normal_FF = levels_NF.T @ levels_NF + prior * np.eye(levels_NF.shape[1])
    return np.linalg.solve(normal_FF, levels_NF.T @ errors_N).astype(np.float32)


def _find_moments(book: UserBook) -> tuple[Ints, Ints]:
    """Return the first row of each moment (M,), and where each user's moments begin (U + 1,)."""
    starts = np.zeros(len(book.ratings_N), bool)
    starts[1:] = np.diff(book.times_N) != 0
    starts[book.offsets[:-1][np.diff(book.offsets) > 0]] = True
    starts_M = np.flatnonzero(starts)
    return starts_M, np.searchsorted(starts_M, book.offsets)

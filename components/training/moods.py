"""What a session's mood counts for: fitted in closed form, each learnt rating on those before it.

Dimension letters as in `components.training.tensors`, and F scales.
"""

import numpy as np

from components.models.catalogue import Floats, UserBook
from components.models.session import above_mean
from components.training.fading import fade_levels

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
    """Return the levels (N, F) of a book's ratings above their user's mean, before each of them."""
    residuals_N = np.concatenate(
        [
            above_mean(part, mean, user_prior)
            for part in np.split(book.ratings_N, book.offsets[1:-1])
        ]
    )
    return fade_levels(book, residuals_N, RATES_F2, prior)[0]


def weigh_moods(levels_NF: np.ndarray, errors_N: np.ndarray, prior: float) -> Floats:
    """Return the weights (F,) by which the levels explain what is left of the ratings, by ridge."""
    levels_NF = levels_NF.astype(np.float64)
    normal_FF = levels_NF.T @ levels_NF + prior * np.eye(levels_NF.shape[1])
    return np.linalg.solve(normal_FF, levels_NF.T @ errors_N).astype(np.float32)

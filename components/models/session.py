"""A session's mood: how far the latest ratings lie off the usual, and how quickly that fades."""

from dataclasses import dataclass

import numpy as np

from components.models.catalogue import Ints


@dataclass(frozen=True)
class Session:
    """Σ_j k_j e_j / (Σ_j k_j + prior) over past ratings, with

        k_j = exp(−(ratings since j) / ratings − (now − t_j) / seconds)

    A kernel smoother (Nadaraya 1964, Watson 1964) with `prior` pseudo-ratings of zero; that ratings
    given together share an offset: Koren (2010), "Collaborative filtering with temporal dynamics",
    3.2. Ratings are counted beside the clock, for people go through lists of things alike, quickly
    or not.
    """

    ratings: float
    seconds: float
    prior: float

    def read(self, times_N: Ints, leftovers_NS: np.ndarray, now: int | None) -> np.ndarray:
        """Return the offsets (S,) in rating points, one for each kind of leftover.

        Zeros regardless of time (None) and without ratings. A rating later than `now` tells
        nothing.
        """
        columns = leftovers_NS.shape[1]
        past_N = np.zeros(0, bool) if now is None else times_N <= now
        if not past_N.any():
            return np.zeros(columns)
        age_N = (now or 0) - times_N[past_N]
        # Those of the same second share their place, whatever order they came in.
        since_N = np.unique(age_N, return_inverse=True)[1]
        counts = np.bincount(since_N)
        before = np.cumsum(counts) - counts + (counts - 1) / 2
        kernel_N = np.exp(-before[since_N] / self.ratings - age_N / self.seconds)
        return kernel_N @ leftovers_NS[past_N] / (kernel_N.sum() + self.prior)

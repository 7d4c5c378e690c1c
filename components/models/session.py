"""A session's mood: how far somebody rated off the usual just now, and how quickly it fades."""

from dataclasses import dataclass

import numpy as np

from components.models.catalogue import Floats, Ints


@dataclass(frozen=True)
class Session:
    """Σ_j k_j e_j / (Σ_j k_j + prior), with k_j = exp(−(now − t_j) / seconds) over past ratings.

    e_j is what a rating has left over once the user's lasting taste is taken out. A kernel
    smoother (Nadaraya 1964, Watson 1964) with `prior` pseudo-ratings of zero; that ratings given
    together share an offset: Koren (2010), "Collaborative filtering with temporal dynamics", 3.2.
    """

    seconds: float
    prior: float

    def read(self, times_N: Ints, leftover_N: Floats, now: int | None) -> float:
        """Return the offset in rating points; zero regardless of time (None) and without ratings.

        A rating later than `now` tells nothing.
        """
        if now is None or not len(times_N):
            return 0.0
        age_N = now - times_N
        kernel_N = np.where(age_N >= 0, np.exp(-np.maximum(age_N, 0) / self.seconds), 0.0)
        return float((kernel_N * leftover_N).sum() / (kernel_N.sum() + self.prior))

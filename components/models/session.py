"""The mood of a session: what the latest ratings, against the user's usual, say of the next one."""

from dataclasses import dataclass

import numpy as np

from components.models.catalogue import Floats, Ints


@dataclass(frozen=True)
class Session:
    """⟨w_s, levels⟩ for S kinds of items, with F levels of what was rated before now:

        level_f = Σ_j k_fj r_j / (Σ_j k_fj + prior)
        k_fj    = exp(−(now − t_j) × rate_f per second − (ratings since j) × rate_f per rating)

    where r_j is a rating above the user's mean. Kernel smoothers (Nadaraya 1964, Watson 1964) at
    several scales, weighed by what they told of the next rating in the train rows; that ratings
    given together share an offset: Koren (2010), "Collaborative filtering with temporal dynamics",
    3.2. Ratings are counted beside the clock, for people go through lists of things alike, quickly
    or not.
    """

    rates_F2: Floats
    weights_SF: Floats
    prior: float

    def read(self, times_N: Ints, residuals_N: np.ndarray, now: int | None) -> np.ndarray:
        """Return the offsets (S,) in rating points.

        Zeros regardless of time (None) and without ratings. Only ratings of a second before `now`
        tell anything.
        """
        past_N = np.zeros(0, bool) if now is None else times_N < now
        if now is None or not past_N.any():
            return np.zeros(len(self.weights_SF))
        return self.fade(self.listen(times_N[past_N], residuals_N[past_N]), now)

    def listen(self, times_N: Ints, residuals_N: np.ndarray) -> "Mood":
        """Return what ratings, at least one, tell at the moment of the last of them."""
        last = int(times_N.max())
        age_N = last - times_N
        # Those of the same second share their place, whatever order they came in.
        sorted_N = np.sort(age_N)
        later_N = np.searchsorted(sorted_N, age_N)
        since_N = (later_N + np.searchsorted(sorted_N, age_N, "right") - 1) / 2
        kernel_FN = np.exp(-self.rates_F2 @ np.stack([age_N, since_N]))
        return Mood(last, kernel_FN @ residuals_N, kernel_FN.sum(1))

    def fade(self, mood: "Mood", now: int) -> np.ndarray:
        """Return the offsets (S,) at a moment that is not before the mood's."""
        left_F = np.exp(-self.rates_F2[:, 0] * np.float64(now - mood.last))
        levels_F = left_F * mood.told_F / (left_F * mood.weight_F + self.prior)
        offsets_S: np.ndarray = self.weights_SF @ levels_F
        return offsets_S


@dataclass(frozen=True)
class Mood:
    """Σ k r and Σ k of ratings at the moment of the last of them (seconds); then they fade alike.

    So who asks again and again is listened to once.
    """

    last: int
    told_F: np.ndarray
    weight_F: np.ndarray


def above_mean(ratings_N: Floats, mean: float, prior: float) -> np.ndarray:
    """Return ratings above their user's mean, itself shrunk to `mean` by `prior` ratings."""
    residuals_N = ratings_N.astype(np.float64) - mean
    shrunk: np.ndarray = residuals_N - residuals_N.sum() / (len(residuals_N) + prior)
    return shrunk

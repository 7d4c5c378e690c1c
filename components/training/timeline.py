"""The learnt ratings in each user's order, and what was known just before each of them.

A rating may only be predicted from those that were given in an earlier second: ratings of the same
user and second do not see one another, nor themselves.

Dimension letters as in `components.training.tensors`, and F scales of time.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.family_params import Sequential
from components.models.catalogue import Floats, UserBook
from components.training.fading import fade_levels


@dataclass(frozen=True)
class Timeline:
    """N ratings by user, oldest first, as `UserBook` holds them; places are rows of it.

    User u's ratings stand at `starts_U[u]` up to `ends_U[u]`, those given before the second of
    rating n from `own_starts_N[n]` up to `pasts_N[n]`. `sums_N1` adds up residuals, from the first
    rating of all on. The rest is as in `components.models.sequence.Windows` and `Reading`.
    """

    starts_U: Tensor
    ends_U: Tensor
    own_starts_N: Tensor
    pasts_N: Tensor
    times_N: Tensor
    gaps_N: Tensor
    residuals_N: Tensor
    before_N: Tensor
    fading_NF: Tensor
    sums_N1: Tensor
    prior: float

    @classmethod
    def of(
        cls,
        book: UserBook,
        residuals_N: Floats,
        options: Sequential,
        device: str,
    ) -> "Timeline":
        """Work out everything that does not change while a family learns."""
        prior = options.bias_prior
        starts_U, ends_U = book.offsets[:-1], book.offsets[1:]
        own_starts_N = np.repeat(starts_U, ends_U - starts_U)
        sums_N1 = np.concatenate([[0], np.cumsum(residuals_N, dtype=np.float64)])
        places_N = np.arange(len(residuals_N))
        before_N = (sums_N1[:-1] - sums_N1[own_starts_N]) / (places_N - own_starts_N + prior)
        gaps_N = np.diff(book.times_N, prepend=0)
        gaps_N[places_N == own_starts_N] = 0
        by_time = [(1 / seconds, 0.0) for seconds in options.scales]
        fading_NF, pasts_N = fade_levels(book, residuals_N, np.array(by_time), options.fading_prior)

        def put(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values.copy()).to(device)

        return cls(
            put(starts_U),
            put(ends_U),
            put(own_starts_N),
            put(pasts_N),
            put(book.times_N),
            put(gaps_N.astype(np.float32)),
            put(residuals_N.astype(np.float32)),
            put(before_N.astype(np.float32)),
            put(fading_NF),
            put(sums_N1),
            prior,
        )

    def level(self, starts: Tensor, ends: Tensor) -> Tensor:
        """Return the shrunk mean of the residuals from places `starts` up to `ends`."""
        summed = self.sums_N1[ends] - self.sums_N1[starts]
        return (summed / (ends - starts + self.prior)).float()

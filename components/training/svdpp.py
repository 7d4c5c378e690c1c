"""SVD++ while it learns: matrix factorization and the sum over what a user rated.

Dimension letters as in `components.training.tensors`, and C = D + 1: the last column is a bias.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.family_params import SvdPlusPlus
from components.models.catalogue import UNKNOWN, UserBook
from components.models.protocol import Weights
from components.training.ladder import fit_biases, mean_rating
from components.training.learner import Rows, shuffle
from components.training.tensors import Interactions, Readings, gather

_START_SPREAD = 0.05


class SvdPlusPlusLearner(nn.Module):
    """MAP estimate of what `components.models.svdpp` answers from, starting from fitted biases.

    The own row is left out of what it is predicted from, so that a learnt row looks like one that
    will be asked for.
    """

    def __init__(
        self,
        book: UserBook,
        interactions: Interactions,
        options: SvdPlusPlus,
        generator: Generator,
    ) -> None:
        super().__init__()
        self._options, self._interactions = options, interactions
        self._mean = float(mean_rating(book))
        self._rated_I = interactions.by_item.offsets.diff() > 0
        self._rated = Readings.of_users(interactions)
        self._counts_U = interactions.by_user.offsets.diff().float()
        bias_U, bias_I = fit_biases(book, interactions.items, options.bias_prior)
        self.user = nn.Parameter(_start(bias_U, options.factors, generator))
        self.item = nn.Parameter(_start(bias_I, options.factors, generator))
        self.reads = nn.Parameter(torch.zeros(interactions.items, options.factors))
        self.to(interactions.ratings_N.device)

    def batches(self, generator: Generator) -> Iterator[Rows]:
        """Yield all rows, shuffled."""
        return shuffle(self._interactions, self._options.batches, generator)

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        """Return B ratings; an unknown user or item has neither factors nor a bias."""
        known_B = rows.users_B != UNKNOWN
        users_B = rows.users_B.clamp(min=0)
        user_BC = gather(self.user, users_B) * known_B[:, None]
        item_BC = gather(self.item, rows.items_B) * self._rated_I[rows.items_B][:, None]
        read_BD = self._read(users_B, rows) * known_B[:, None]
        dots_B = ((user_BC[:, :-1] + read_BD) * item_BC[:, :-1]).sum(1)
        return self._mean + user_BC[:, -1] + item_BC[:, -1] + dots_B

    def _read(self, users_B: Tensor, rows: Rows) -> Tensor:
        """Return |N(u)|^−½ Σ y_j of each row's user, less the row's own item."""
        read_BD, count_B = gather(self._rated.sum(self.reads), users_B), self._counts_U[users_B]
        if rows.own_B is not None:
            read_BD, count_B = read_BD - gather(self.reads, rows.items_B), count_B - 1
        # Taking the own row out leaves rounding errors where nothing should be left.
        return read_BD * ((count_B > 0) / count_B.clamp(min=1).sqrt())[:, None]

    def penalty(self) -> Tensor:
        """Return bias_prior × Σ b² + factor_prior × Σ (|p|² + |q|²) + history_prior × Σ |y|²."""
        both_C = torch.cat([self.user, self.item])
        return (
            self._options.bias_prior * both_C[:, -1].square().sum()
            + self._options.factor_prior * both_C[:, :-1].square().sum()
            + self._options.history_prior * self.reads.square().sum()
        )

    def module(self) -> nn.Module:
        """Return itself."""
        return self

    def export(self) -> Weights:
        """Return the items' side; users are solved for from their histories."""
        item_IC = (self.item * self._rated_I[:, None]).detach().cpu().numpy()
        priors = [self._options.bias_prior, self._options.factor_prior]
        return {
            "mean": np.array([self._mean], np.float32),
            "item_bias": item_IC[:, -1].copy(),
            "item_vectors": item_IC[:, :-1].copy(),
            "item_reads": self.reads.detach().cpu().numpy().copy(),
            "user_priors": np.array(priors, np.float32),
        }


def _start(bias_G: np.ndarray, factors: int, generator: Generator) -> Tensor:
    vectors_GD = torch.randn(len(bias_G), factors, generator=generator) * _START_SPREAD
    return torch.cat([vectors_GD, torch.from_numpy(bias_G)[:, None]], dim=1)

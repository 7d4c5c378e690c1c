"""Matrix factorization while it learns: biases and factors under normal priors."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.family_params import MatrixFactorization
from components.models.catalogue import UNKNOWN, UserBook
from components.models.protocol import Weights
from components.training.ladder import fit_biases, mean_rating
from components.training.learner import Rows, shuffle
from components.training.tensors import Interactions, gather

_START_SPREAD = 0.05


class MatrixFactorizationLearner(nn.Module):
    """MAP estimate of μ + b_u + b_i + ⟨p_u, q_i⟩ with normal priors (probabilistic matrix
    factorization: Salakhutdinov and Mnih 2007), starting from fitted biases.
    """

    def __init__(
        self,
        book: UserBook,
        interactions: Interactions,
        options: MatrixFactorization,
        generator: Generator,
    ) -> None:
        super().__init__()
        self._options, self._interactions = options, interactions
        self._mean = float(mean_rating(book))
        self._rated_I = torch.bincount(interactions.items_N, minlength=interactions.items) > 0
        bias_U, bias_I = fit_biases(book, interactions.items, options.bias_prior)
        self.user = nn.Parameter(_start(bias_U, options.factors, generator))
        self.item = nn.Parameter(_start(bias_I, options.factors, generator))
        self.to(interactions.ratings_N.device)

    def batches(self, generator: Generator) -> Iterator[Rows]:
        """Yield all rows, shuffled."""
        return shuffle(self._interactions, self._options.batches, generator)

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        """Return B ratings; an unknown user or item has no factors and no bias."""
        user_BC = _known(gather(self.user, rows.users_B.clamp(min=0)), rows.users_B != UNKNOWN)
        item_BC = _known(gather(self.item, rows.items_B), self._rated_I[rows.items_B])
        dots_B = (user_BC[:, :-1] * item_BC[:, :-1]).sum(1)
        return self._mean + user_BC[:, -1] + item_BC[:, -1] + dots_B

    def penalty(self) -> Tensor:
        """Return bias_prior × Σ b² + factor_prior × (Σ |p|² + Σ |q|²)."""
        both = torch.cat([self.user, self.item])
        factors = both[:, :-1].square().sum()
        return self._options.factor_prior * factors + (
            self._options.bias_prior * both[:, -1].square().sum()
        )

    def module(self) -> nn.Module:
        """Return itself."""
        return self

    def export(self) -> Weights:
        """Return the items' side; users are solved for from their histories."""
        priors = [self._options.bias_prior, self._options.factor_prior]
        item_IC = (self.item * self._rated_I[:, None]).detach().cpu().numpy()
        return {
            "mean": np.array([self._mean], np.float32),
            "item_bias": item_IC[:, -1].copy(),
            "item_vectors": item_IC[:, :-1].copy(),
            "user_priors": np.array(priors, np.float32),
        }


def _start(bias_G: np.ndarray, factors: int, generator: Generator) -> Tensor:
    vectors_GD = torch.randn(len(bias_G), factors, generator=generator) * _START_SPREAD
    return torch.cat([vectors_GD, torch.from_numpy(bias_G)[:, None]], dim=1)


def _known(rows_BC: Tensor, known_B: Tensor) -> Tensor:
    return rows_BC * known_B[:, None]

"""Items that nobody rated, for the hybrid: rated by their looks and categories, in closed form.

Dimension letters as in `components.training.tensors`, K features of an item, and P users.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.family_params import NewItems
from components.models.catalogue import UserBook
from components.models.protocol import Weights
from components.models.ridge import stack_blocks
from components.training.content import fit_likings
from components.training.posterior import Layout, fit_without_own, solve_each
from components.training.tensors import Interactions


@dataclass(frozen=True)
class NewItemsFit:
    """How everybody takes to features (I, K), and each user, with a level as the last column."""

    features_IK: Tensor
    likings_K: Tensor
    tastes_UC: Tensor
    without_own_N: Tensor
    priors_C: Tensor

    @classmethod
    def of(
        cls,
        book: UserBook,
        given: Interactions,
        looks_IK: Tensor,
        categories_IG: Tensor,
        mean: float,
        options: NewItems,
    ) -> "NewItemsFit":
        """Fit the likings, then every user's taste from all that he rated.

        A user's taste is that of what is left by the likings alone, items' own levels included: who
        found good ones among the things that look so will find good ones there again.
        """
        looks_IK = looks_IK[:, : options.image_factors]
        features_IK = torch.cat([looks_IK, categories_IG], dim=1)
        sizes = (looks_IK.shape[1], categories_IG.shape[1])
        likings = stack_blocks(sizes, (options.image_bias_prior, options.category_bias_prior))
        tastes = stack_blocks(sizes, (options.taste_prior, options.category_taste_prior))
        priors_C = torch.from_numpy(np.append(tastes, options.bias_prior)).float()
        priors_C = priors_C.to(features_IK.device)
        likings_K = fit_likings(book, features_IK.cpu().numpy(), likings, options)
        moved_K = torch.from_numpy(likings_K).to(features_IK.device)
        x_NC = _add_ones(features_IK)[given.items_N]
        expected_N = mean + (features_IK @ moved_K)[given.items_N]
        residuals_N = given.ratings_N - expected_N
        # A book holds its rows user by user.
        layout = Layout.of(given.by_user.offsets.diff())
        solved_UC = solve_each(x_NC, residuals_N, layout, priors_C)
        without_N = expected_N + fit_without_own(x_NC, residuals_N, layout, priors_C)
        return cls(features_IK, moved_K, solved_UC, without_N, priors_C)

    def rate(self, users_B: Tensor, items_B: Tensor, known_B: Tensor) -> Tensor:
        """Return what B pairs are rated above the mean; an unknown user has no taste."""
        features_BK = self.features_IK[items_B]
        own_B = (_add_ones(features_BK) * self.tastes_UC[users_B.clamp(min=0)]).sum(1)
        return features_BK @ self.likings_K + own_B * known_B

    def export(self) -> Weights:
        """Return how everybody takes to features, and the priors of a user's taste."""
        return {
            "new_likings": self.likings_K.cpu().numpy().copy(),
            "new_priors": self.priors_C.cpu().numpy().copy(),
        }


def _add_ones(features_BK: Tensor) -> Tensor:
    return torch.cat([features_BK, torch.ones_like(features_BK[:, :1])], dim=1)

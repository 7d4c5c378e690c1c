"""Items that nobody rated, for the hybrid: rated by their looks and categories, in closed form.

Dimension letters as in `components.training.tensors`, K features of an item, and C columns: the
factors seen in them, the features, and a one.
"""

import torch
from torch import Tensor

from components.family_params import Hybrid
from components.models.catalogue import UserBook
from components.models.protocol import Weights
from components.models.ridge import stack_blocks
from components.training.content import fit_likings
from components.training.posterior import Layout, fit_without_own, solve_each
from components.training.tensors import Interactions


class NewItemsFit:
    """How everybody takes to features (I, K), fitted at once, and how each user differs.

    A user's taste is a ridge regression of what is left by the likings alone, items' own levels
    included: who found good ones among the things that look so will find good ones there again.
    Beside the features it reads the factors that the hybrid sees in them (I, D), which know along
    which lines tastes differ.
    """

    def __init__(
        self,
        book: UserBook,
        given: Interactions,
        looks_IK: Tensor,
        categories_IG: Tensor,
        mean: float,
        options: Hybrid,
    ) -> None:
        device, new = looks_IK.device, options.new_items
        sizes = (looks_IK.shape[1], categories_IG.shape[1])
        likings = stack_blocks(sizes, (new.image_bias_prior, new.category_bias_prior))
        tastes = stack_blocks(
            (options.factors, *sizes, 1),
            (options.factor_prior, new.taste_prior, new.category_taste_prior, new.bias_prior),
        )
        self._features_IK = torch.cat([looks_IK, categories_IG], dim=1)
        self._priors_C = torch.from_numpy(tastes).float().to(device)
        likings_K = fit_likings(book, self._features_IK.cpu().numpy(), likings, new)
        self._likings_K = torch.from_numpy(likings_K).to(device)
        # A book holds its rows user by user.
        self._items_N, self._layout = given.items_N, Layout.of(given.by_user.offsets.diff())
        self._liked_I = mean + self._features_IK @ self._likings_K
        self._residuals_N = given.ratings_N - self._liked_I[given.items_N]

    def rate(self, seen_ID: Tensor, users_B: Tensor, items_B: Tensor, known_B: Tensor) -> Tensor:
        """Return the ratings of B pairs; an unknown user has no taste."""
        x_IC = self._describe(seen_ID)
        tastes_UC = solve_each(x_IC[self._items_N], self._residuals_N, self._layout, self._priors_C)
        own_B = (x_IC[items_B] * tastes_UC[users_B.clamp(min=0)]).sum(1)
        return self._liked_I[items_B] + own_B * known_B

    def rate_without_own(self, seen_ID: Tensor) -> Tensor:
        """Return what each of the N learnt ratings would be, were its item new."""
        x_NC = self._describe(seen_ID)[self._items_N]
        own_N = fit_without_own(x_NC, self._residuals_N, self._layout, self._priors_C)
        return self._liked_I[self._items_N] + own_N

    def export(self) -> Weights:
        """Return how everybody takes to features, and the priors of a user's taste."""
        return {
            "new_likings": self._likings_K.cpu().numpy().copy(),
            "new_priors": self._priors_C.cpu().numpy().copy(),
        }

    def _describe(self, seen_ID: Tensor) -> Tensor:
        ones_I1 = torch.ones_like(self._features_IK[:, :1])
        return torch.cat([seen_ID, self._features_IK, ones_I1], dim=1)

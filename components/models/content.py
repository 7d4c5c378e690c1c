"""Content alone: what an image looks like, and what the user made of looks before."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from components.models.catalogue import Bools, Catalogue, Floats, UserBook
from components.models.hybrid import project_looks
from components.models.protocol import Asker, Side, Weights
from components.models.ridge import solve_ridge, stack_priors


class Content:
    """μ + b_u + ⟨w + t_u, f_i⟩, where f_i are an item's projected looks and nothing else of it.

    w is how everybody takes to looks, t_u how this user differs: the ridge solution over the
    history, solved for when asked, so that a rating a second ago counts. A linear user profile over
    item content, as in Pazzani and Billsus (2007), "Content-based recommendation systems". An item
    without an image has the looks of the average image. `components.training.content` fits w.
    """

    family: ClassVar[str] = "content"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self.mean = float(weights["mean"][0])
        self._weights = weights
        self._items = self._fold(catalogue.embeddings_IE, catalogue.has_image_I)
        bias_prior, taste_prior = weights["user_priors"].astype(np.float64)
        width = self._items.vectors_BD.shape[1]
        self._priors_K1 = stack_priors(bias_prior, taste_prior, width)

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return each user's level and taste from the history; zeros where it is empty."""
        solved_BK1 = np.zeros((len(users), len(self._priors_K1)), np.float32)
        for row, asker in enumerate(users):
            items_N = asker.history.items_N
            residuals_N = asker.history.ratings_N - self.mean - self._items.bias_B[items_N]
            looks_NK = self._items.vectors_BD[items_N]
            solved_BK1[row] = solve_ridge(looks_NK, residuals_N, self._priors_K1)
        paths = tuple("history" if len(asker.history) else "prior" for asker in users)
        return Side(solved_BK1[:, -1].copy(), solved_BK1[:, :-1].copy(), paths)

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return the looks of new images, and how everybody takes to them."""
        return self._fold(embeddings_BE, np.any(embeddings_BE != 0, axis=1))

    def known_items(self) -> Side:
        """Return the same of the catalogue's items, rated or not."""
        return self._items

    def _fold(self, embeddings_BE: Floats, has_image_B: Bools) -> Side:
        weights = self._weights
        looks_BK = project_looks(
            embeddings_BE, has_image_B, weights["image_mean"], weights["image_projection"]
        )
        paths = tuple("images" if has_image else "prior" for has_image in has_image_B)
        return Side((looks_BK @ weights["image"]).astype(np.float32), looks_BK, paths)

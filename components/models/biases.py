"""The cheap rungs of the ladder: the mean, popularity, and user and item biases."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from components.models.catalogue import Catalogue, Floats, UserBook
from components.models.protocol import Asker, Side, Weights


def flat_side(bias_B: Floats, path: str) -> Side:
    """Return a side with biases alone, and vectors of width 1 that are zero."""
    bias_B = np.asarray(bias_B, dtype=np.float32)
    return Side(bias_B, np.zeros((len(bias_B), 1), np.float32), (path,) * len(bias_B))


class Mean:
    """Every rating is the mean of all ratings, μ."""

    family: ClassVar[str] = "mean"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self.mean = float(weights["mean"][0])
        self._items = len(catalogue)

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return a bias of zero for everybody."""
        return flat_side(np.zeros(len(users), np.float32), "prior")

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return a bias of zero for every new item."""
        return flat_side(np.zeros(len(embeddings_BE), np.float32), "prior")

    def known_items(self) -> Side:
        """Return a bias of zero for every item."""
        return flat_side(np.zeros(self._items, np.float32), "prior")


class Popularity(Mean):
    """μ + b_i, where b_i is the item's mean residual shrunk by `bias_prior` pseudo-ratings."""

    family: ClassVar[str] = "popularity"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        super().__init__(weights, catalogue, users)
        self._bias_I = weights["item_bias"]

    def known_items(self) -> Side:
        """Return the items' biases."""
        return flat_side(self._bias_I, "factors")


class Biases(Popularity):
    """μ + b_u + b_i, fitted together; a new user's bias is the shrunk mean of the residuals.

    b_u = Σ (r − μ − b_i) / (n + prior); see Koren (2010), "Factor in the neighbors", eq. 1.
    """

    family: ClassVar[str] = "biases"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        super().__init__(weights, catalogue, users)
        self._prior = float(weights["user_prior"][0])

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return each user's bias from the history; zero where it is empty."""
        bias_B = np.zeros(len(users), np.float32)
        paths = []
        for row, asker in enumerate(users):
            history = asker.history
            residuals_N = history.ratings_N - self.mean - self._bias_I[history.items_N]
            bias_B[row] = residuals_N.sum() / (len(history) + self._prior)
            paths.append("history" if len(history) else "prior")
        return Side(bias_B, np.zeros((len(users), 1), np.float32), tuple(paths))

"""Matrix factorization: biases plus a dot product of factors; users are solved for when asked."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from components.models.catalogue import Catalogue, Floats, History, UserBook
from components.models.protocol import Asker, Side, Weights
from components.models.ridge import path_of, solve_ridge, stack_priors


class MatrixFactorization:
    """μ + b_u + b_i + ⟨p_u, q_i⟩; Koren, Bell and Volinsky (2009), "Matrix factorization
    techniques for recommender systems", eq. 4.

    Only the items' side is stored. A user's side minimises Σ (r − r̂)² + λ_b b_u² + λ_p |p_u|²
    over the history, in closed form: what training minimises, so known and new users are alike.
    An item that nobody rated has no factors and no bias.
    """

    family: ClassVar[str] = "mf"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self.mean = float(weights["mean"][0])
        self._bias_I = weights["item_bias"]
        self._vectors_ID = weights["item_vectors"]
        bias_prior, factor_prior = weights["user_priors"].astype(np.float64)
        self._priors_D1 = stack_priors(bias_prior, factor_prior, self._vectors_ID.shape[1])
        rated_I = np.bincount(users.items_N, minlength=len(catalogue)) > 0
        self._paths = tuple("factors" if rated else "prior" for rated in rated_I)

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return each user's ridge solution from the history; zeros where it is empty."""
        solved_BD1 = np.zeros((len(users), len(self._priors_D1)), np.float32)
        for row, asker in enumerate(users):
            solved_BD1[row] = self._solve(asker.history)
        paths = tuple(map(path_of, users))
        return Side(solved_BD1[:, -1].copy(), solved_BD1[:, :-1].copy(), paths)

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return the prior for each: factors say nothing about an item that nobody rated."""
        count = len(embeddings_BE)
        vectors = np.zeros((count, self._vectors_ID.shape[1]), np.float32)
        return Side(np.zeros(count, np.float32), vectors, ("prior",) * count)

    def known_items(self) -> Side:
        """Return every item's bias and factors."""
        return Side(self._bias_I, self._vectors_ID, self._paths)

    def _solve(self, history: History) -> np.ndarray:
        residuals_N = history.ratings_N - self.mean - self._bias_I[history.items_N]
        return solve_ridge(self._vectors_ID[history.items_N], residuals_N, self._priors_D1)

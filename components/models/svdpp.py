"""SVD++: matrix factorization that also reads what a user rated, however it was rated."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from components.models.catalogue import Catalogue, Floats, History, UserBook
from components.models.protocol import Asker, Side, Weights
from components.models.ridge import path_of, solve_ridge, stack_priors


class SvdPlusPlus:
    """μ + b_u + b_i + ⟨p_u + |N(u)|^−½ Σ_{j ∈ N(u)} y_j, q_i⟩; Koren (2008), "Factorization meets
    the neighborhood", eq. 15. N(u) is what the user rated, less i itself.

    Only the items' side (b, q, y) is stored. The sum is taken over the history, and b_u and p_u
    minimise what training minimises, in closed form: so a new user with a history is as well off as
    one who was learnt. An item that nobody rated has neither factors nor a bias.
    """

    family: ClassVar[str] = "svdpp"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self.mean = float(weights["mean"][0])
        self._bias_I = weights["item_bias"]
        self._vectors_ID = weights["item_vectors"]
        self._reads_ID = weights["item_reads"]
        bias_prior, factor_prior = weights["user_priors"].astype(np.float64)
        self._priors_D1 = stack_priors(bias_prior, factor_prior, self._vectors_ID.shape[1])
        rated_I = np.bincount(users.items_N, minlength=len(catalogue)) > 0
        self._paths = tuple("factors" if rated else "prior" for rated in rated_I)

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return what each history says by itself and by its ratings; zeros where it is empty."""
        rows_BD1 = np.zeros((len(users), len(self._priors_D1)), np.float32)
        for row, asker in enumerate(users):
            rows_BD1[row] = self._fold(asker.history)
        return Side(rows_BD1[:, -1].copy(), rows_BD1[:, :-1].copy(), tuple(map(path_of, users)))

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return the prior for each: factors say nothing about an item that nobody rated."""
        count = len(embeddings_BE)
        vectors_BD = np.zeros((count, self._vectors_ID.shape[1]), np.float32)
        return Side(np.zeros(count, np.float32), vectors_BD, ("prior",) * count)

    def known_items(self) -> Side:
        """Return every item's bias and factors."""
        return Side(self._bias_I, self._vectors_ID, self._paths)

    def _fold(self, history: History) -> np.ndarray:
        reads_ND = self._reads_ID[history.items_N].astype(np.float64)
        vectors_ND = self._vectors_ID[history.items_N]
        read_D = reads_ND.sum(0)
        # Each rating is explained without having been read, as in training.
        others_ND = (read_D - reads_ND) / np.sqrt(max(len(history) - 1, 1))
        residuals_N = history.ratings_N - self.mean - self._bias_I[history.items_N]
        residuals_N = residuals_N - np.einsum("nd,nd->n", others_ND, vectors_ND)
        solved_D1 = solve_ridge(vectors_ND, residuals_N, self._priors_D1)
        solved_D1[:-1] += read_D / np.sqrt(max(len(history), 1))
        return solved_D1

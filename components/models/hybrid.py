"""The hybrid: factors, both histories, images and categories; each may be missing when asked.

    rating(u, i) = μ + b_i + ⟨ z_u, (v_i, 1) ⟩ + κ λ_u ν_i + κ' ν_u λ_i

    v_i, b_i = q_i + g(who rated i) + W f_i      f_i: looks and categories of i
    z_u      = the posterior mean of a linear regression of what the user rated on (v, 1), around
               a prior mean that reads which items were rated, but not how
    λ_u      = the level of the items that u rated;   λ_i = the level of the users who rated i
    ν        = p / (n + p), how new somebody or something with n ratings is

Dimension letters as in `components.models`, and K image factors, G categories, C = D + 1 columns
(the last is a linear term), R things read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.models.catalogue import Bools, Catalogue, Floats, History, Ints, UserBook
from components.models.categories import Categories
from components.models.protocol import Asker, Side, Weights
from components.models.ridge import path_of, solve_ridge, stack_priors
from components.models.session import Session


@dataclass(frozen=True)
class Reader:
    """Turns who rated an item into a vector, g.

    A user j says something by having rated (`that_RC`) and by how (`how_RC`):

        g = Σ_j [ (d_j − m) how_j + that_j ] / √(n + softening),    m = Σ_j d_j / (n + prior)

    where d_j is the rating's residual against j's own level. Koren (2008), "Factorization meets
    the neighborhood", eq. 14 and 15, the other way round, with the item's own level m taken out.
    An empty history gives zeros.
    """

    how_RC: Floats
    that_RC: Floats
    prior: float
    softening: float

    def read(self, read_N: Ints, residuals_N: Floats) -> tuple[Floats, np.float32]:
        """Return g (C,) and the level m of one history."""
        if not len(read_N):
            return np.zeros(self.how_RC.shape[1], np.float32), np.float32(0)
        weights_2N = np.stack([residuals_N, np.ones_like(residuals_N)])
        how_2C = weights_2N @ self.how_RC[read_N]
        count = len(read_N)
        level = residuals_N.sum(dtype=np.float64) / (count + self.prior)
        summed_C = how_2C[0] - level * how_2C[1] + self.that_RC[read_N].sum(0, dtype=np.float64)
        return (summed_C / np.sqrt(count + self.softening)).astype(np.float32), np.float32(level)


class Hybrid:
    """Answers from the weights that `components.training.hybrid` exports, listed there.

    The two last columns of a vector are λ and ν, times κ on the users' side. Salakhutdinov and
    Mnih (2007), "Probabilistic matrix factorization", with the users integrated out as in Lawrence
    and Urtasun (2009), "Non-linear matrix factorization with Gaussian processes".
    """

    family: ClassVar[str] = "hybrid"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self.mean = float(weights["mean"][0])
        self._weights = weights
        self._softening, self._level_prior = (float(w) for w in weights["constants"])
        bias_prior, factor_prior = weights["user_priors"].astype(np.float64)
        self._priors_C = stack_priors(bias_prior, factor_prior, weights["item"].shape[1] - 1)
        self._session = Session(*(float(w) for w in weights["session"]))
        self._items = self._fold_known_items(catalogue, users)

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return z_u with λ_u and ν_u; a user known from training is one like all others."""
        vectors_BE = np.empty((len(users), self._items.vectors_BD.shape[1]), np.float32)
        bias_B = np.empty(len(users), np.float32)
        for row, asker in enumerate(users):
            vectors_BE[row], bias_B[row] = self._fold(asker.history, asker.now)
        return Side(bias_B, vectors_BE, tuple(map(path_of, users)))

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return the prior of a new item plus what its images say."""
        has_image_B = np.any(embeddings_BE != 0, axis=1)
        looks_BK = self._look(embeddings_BE, has_image_B)
        rows_BC = self._weights["new_item"] + looks_BK @ self._weights["image"]
        count = len(rows_BC)
        paths = _item_paths(np.zeros(count, bool), has_image_B)
        return _item_side(rows_BC, np.zeros(count), np.ones(count), paths)

    def known_items(self) -> Side:
        """Return every item's side."""
        return self._items

    def _fold(self, history: History, now: int | None) -> tuple[Floats, np.floating]:
        prior_C, linked_2 = self._expect(history)
        if not len(history):
            return np.concatenate([prior_C[:-1], linked_2]).astype(np.float32), prior_C[-1]
        x_NE, bias_N = self._items.vectors_BD[history.items_N], self._items.bias_B[history.items_N]
        expected_N = x_NE @ np.concatenate([prior_C[:-1], linked_2]) + prior_C[-1]
        residuals_N = history.ratings_N - self.mean - bias_N - expected_N
        found_C = solve_ridge(x_NE[:, :-2], residuals_N, self._priors_C)
        solved_C = prior_C + found_C
        leftovers_N = residuals_N - x_NE[:, :-2] @ found_C[:-1] - found_C[-1]
        # How well the things rated of late suit this user, against all that he rated: what comes
        # next is alike, which tells something where nothing is known of it.
        suits_N = bias_N + x_NE[:, :-2] @ solved_C[:-1]
        kinds_N2 = np.stack([leftovers_N, suits_N - suits_N.mean()], axis=1)
        mood, level = self._session.read(history.times_N, kinds_N2, now)
        solved_C[-1] += mood
        linked_2[0] += level
        return np.concatenate([solved_C[:-1], linked_2]).astype(np.float32), solved_C[-1]

    def _expect(self, history: History) -> tuple[np.ndarray, np.ndarray]:
        """Return z's prior mean (C,), and κ λ_u and κ' ν_u: what is known without any rating."""
        weights, count = self._weights, len(history)
        newness = self._level_prior / (count + self._level_prior)
        level = weights["item_base"][history.items_N].sum() / (count + self._level_prior)
        linked_2 = np.array([level, newness]) * weights["links"]
        that_C = weights["item_that"][history.items_N].sum(0, dtype=np.float64)
        read_C = that_C / np.sqrt(count + self._softening)
        return weights["new_user"] + read_C, linked_2

    def _look(self, embeddings_BE: Floats, has_image_B: Bools) -> Floats:
        weights = self._weights
        return project_looks(
            embeddings_BE, has_image_B, weights["image_mean"], weights["image_projection"]
        )

    def _fold_known_items(self, catalogue: Catalogue, users: UserBook) -> Side:
        weights = self._weights
        looks_IK = self._look(catalogue.embeddings_IE, catalogue.has_image_I)
        counts_I = np.bincount(users.items_N, minlength=len(catalogue))
        rows_IC = np.where((counts_I > 0)[:, None], weights["item"], weights["new_item"])
        rows_IC = rows_IC + looks_IK @ weights["image"]
        rows_IC = rows_IC + Categories.of(catalogue).features() @ weights["category"]
        levels_I = np.zeros(len(catalogue))
        reader = Reader(
            weights["user_how"], weights["user_that"], self._level_prior, self._softening
        )
        for item, readers_N, residuals_N in _by_item(users, self.mean, weights["user_base"]):
            read_C, level = reader.read(readers_N, residuals_N)
            rows_IC[item] += read_C
            rows_IC[item, -1] += weights["item_levels"][0] * level
            levels_I[item] = weights["user_base"][readers_N].sum() / (
                len(readers_N) + self._level_prior
            )
        newness_I = self._level_prior / (counts_I + self._level_prior)
        paths = _item_paths(counts_I > 0, catalogue.has_image_I)
        return _item_side(rows_IC, levels_I, newness_I, paths)


def project_looks(
    embeddings_BE: Floats, has_image_B: Bools, mean_E: Floats, projection_EK: Floats
) -> Floats:
    """Return the standardised, projected embeddings f (B, K); zeros without an image."""
    looks_BK = (embeddings_BE - mean_E) @ projection_EK
    return np.where(has_image_B[:, None], looks_BK, np.float32(0)).astype(np.float32)


def _by_item(users: UserBook, mean: float, base_U: Floats) -> Iterator[tuple[int, Ints, Floats]]:
    """Yield each rated item, who rated it, and the residuals against the raters' own levels."""
    order_N = np.argsort(users.items_N, kind="stable")
    user_N = np.repeat(np.arange(len(users)), np.diff(users.offsets))[order_N]
    residuals_N = (users.ratings_N[order_N] - mean - base_U[user_N]).astype(np.float32)
    items, starts = np.unique(users.items_N[order_N], return_index=True)
    ends = np.append(starts[1:], len(order_N))
    for item, start, end in zip(items.tolist(), starts, ends, strict=True):
        yield item, user_N[start:end], residuals_N[start:end]


def _item_side(
    rows_BC: Floats, levels_B: np.ndarray, newness_B: np.ndarray, paths: list[str]
) -> Side:
    # The user's level meets the item's newness, and the user's newness the item's level.
    vectors_BE = np.column_stack([rows_BC[:, :-1], newness_B, levels_B]).astype(np.float32)
    return Side(rows_BC[:, -1].astype(np.float32), vectors_BE, tuple(paths))


def _item_paths(rated_B: Bools, has_image_B: Bools) -> list[str]:
    return [
        "factors" if rated else "images" if has_image else "prior"
        for rated, has_image in zip(rated_B, has_image_B, strict=True)
    ]

"""The hybrid: factors, both histories and images; every part may be missing at answer time.

    rating(u, i) = μ + ⟨ p_u + h(what u rated), q_i + g(who rated i) + W f_i ⟩ + linear terms

Every vector carries its linear term (its bias) as a last column, so one sum makes both.

Dimension letters as in `components.models`, and K image factors, C = D + 1 columns, R things
read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from components.models.catalogue import UNKNOWN, Bools, Catalogue, Floats, Ints, UserBook
from components.models.protocol import Asker, Side, Weights


@dataclass(frozen=True)
class Reader:
    """Turns a history into a vector: h for a user's ratings, g for an item's.

    A rated thing j says something by having been rated (`that_RC`) and by how (`how_RC`):

        h = Σ_j [ (d_j − m) how_j + that_j ] / √(n + softening),    m = Σ_j d_j / (n + prior)

    where d_j is the rating's residual against j's own level. Koren (2008), "Factorization meets
    the neighborhood", eq. 14 and 15, with the reader's own level m taken out. An empty history
    gives zeros.
    """

    how_RC: Floats
    that_RC: Floats
    prior: float
    softening: float

    def read(self, read_N: Ints, residuals_N: Floats) -> tuple[Floats, np.float32]:
        """Return h (C,) and the level m of one history."""
        if not len(read_N):
            return np.zeros(self.how_RC.shape[1], np.float32), np.float32(0)
        weights_2N = np.stack([residuals_N, np.ones_like(residuals_N)])
        how_2C = weights_2N @ self.how_RC[read_N]
        count = len(read_N)
        level = residuals_N.sum(dtype=np.float64) / (count + self.prior)
        summed_C = how_2C[0] - level * how_2C[1] + self.that_RC[read_N].sum(0, dtype=np.float64)
        return (summed_C / np.sqrt(count + self.softening)).astype(np.float32), np.float32(level)


class Hybrid:
    """Answers from the weights that `components.training.hybrid` exports, listed there."""

    family: ClassVar[str] = "hybrid"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self.mean = float(weights["mean"][0])
        self._weights = weights
        looks_IK = self._look(catalogue.embeddings_IE, catalogue.has_image_I)
        softening = float(weights["softening"][0])
        user_prior, item_prior = (float(value) for value in weights["level_priors"])
        how_IC = weights["item_how"] + looks_IK @ weights["image_how"]
        self._read_items = Reader(how_IC, weights["item_that"], user_prior, softening)
        self._read_users = Reader(weights["user_how"], weights["user_that"], item_prior, softening)
        self._items = self._fold_known_items(looks_IK, catalogue.has_image_I, users)

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return p_u + h and its linear terms; an unknown user has a learnt prior for p_u."""
        weights = self._weights
        rows_BC = np.empty((len(users), self._read_items.how_RC.shape[1]), np.float32)
        paths = []
        for row, asker in enumerate(users):
            user, history = asker.user, asker.history
            base_N = self.mean + weights["item_base"][history.items_N]
            read_C, level = self._read_items.read(history.items_N, history.ratings_N - base_N)
            known = user != UNKNOWN
            rows_BC[row] = read_C + (weights["user"][user] if known else weights["new_user"])
            rows_BC[row, -1] += weights["user_levels"][0 if known else 1] * level
            paths.append("factors" if known else "history" if len(history) else "prior")
        return _side(rows_BC, paths)

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return the prior of a new item plus what its images say."""
        has_image_B = np.any(embeddings_BE != 0, axis=1)
        looks_BK = self._look(embeddings_BE, has_image_B)
        rows_BC = self._weights["new_item"] + looks_BK @ self._weights["image"]
        return _side(rows_BC, _item_paths(np.zeros(len(rows_BC), bool), has_image_B))

    def known_items(self) -> Side:
        """Return every item's side: q_i + g(who rated it) + W f_i, or the prior for q_i."""
        return self._items

    def _look(self, embeddings_BE: Floats, has_image_B: Bools) -> Floats:
        weights = self._weights
        return project_looks(
            embeddings_BE, has_image_B, weights["image_mean"], weights["image_projection"]
        )

    def _fold_known_items(self, looks_IK: Floats, has_image_I: Bools, users: UserBook) -> Side:
        weights = self._weights
        rated_I = np.bincount(users.items_N, minlength=len(looks_IK)) > 0
        rows_IC = np.where(rated_I[:, None], weights["item"], weights["new_item"])
        rows_IC = rows_IC + looks_IK @ weights["image"]
        for item, readers_N, residuals_N in _by_item(users, self.mean, weights["user_base"]):
            read_C, level = self._read_users.read(readers_N, residuals_N)
            rows_IC[item] += read_C
            rows_IC[item, -1] += weights["item_levels"][0] * level
        return _side(rows_IC, _item_paths(rated_I, has_image_I))


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


def _side(rows_BC: Floats, paths: list[str]) -> Side:
    rows_BC = rows_BC.astype(np.float32)
    return Side(rows_BC[:, -1].copy(), rows_BC[:, :-1].copy(), tuple(paths))


def _item_paths(rated_B: Bools, has_image_B: Bools) -> list[str]:
    return [
        "factors" if rated else "images" if has_image else "prior"
        for rated, has_image in zip(rated_B, has_image_B, strict=True)
    ]

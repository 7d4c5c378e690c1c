"""The hybrid: factors, both histories, images and categories; each may be missing when asked.

    rating(u, i) = μ + b_i + ⟨ z_u, (v_i, 1) ⟩ + κ λ_u ν_i + κ' ν_u λ_i     if somebody rated i
                   μ + ⟨ w + t_u, f_i ⟩ + t_u0                               if nobody did

    v_i, b_i = q_i + g(who rated i) + W f_i      f_i: looks and categories of i
    z_u      = the posterior mean of a linear regression of what the user rated on (v, 1), around
               a prior mean that reads which items were rated, but not how
    λ_u      = the level of the items that u rated;   λ_i = the level of the users who rated i
    ν        = p / (n + p), how new somebody or something with n ratings is
    w        = how everybody takes to looks and categories
    t_u      = the ridge solution of what the user rated on (W f, f, 1): how this one differs

and to both the mood of a session is added (`components.models.session`).

Dimension letters as in `components.models`, and K image factors, G categories, C = D + 1 columns
(the last is a linear term), R things read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from components.models.catalogue import Bools, Catalogue, Floats, History, Ints, UserBook
from components.models.categories import Categories
from components.models.protocol import Asker, Side, Weights
from components.models.ridge import path_of, solve_ridge, stack_priors
from components.models.session import Mood, Session, above_mean

# Users whose solution is kept, at less than a kilobyte each.
_REMEMBERED = 65_536


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

    The columns of a vector are v; λ and ν, times κ on the users' side; and f with a one, which
    nobody's ratings have zeros for. The last turns the level z_u0 into t_u0. Salakhutdinov and Mnih
    (2007), "Probabilistic matrix factorization", with the users integrated out as in Lawrence and
    Urtasun (2009), "Non-linear matrix factorization with Gaussian processes".
    """

    family: ClassVar[str] = "hybrid"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self.mean = float(weights["mean"][0])
        self._weights = weights
        self._softening, self._level_prior = (float(w) for w in weights["constants"])
        bias_prior, factor_prior = weights["user_priors"].astype(np.float64)
        self._factors = weights["item"].shape[1] - 1
        self._priors_C = stack_priors(bias_prior, factor_prior, self._factors)
        session_prior, self._mean_prior = (float(w) for w in weights["session_priors"])
        self._session = Session(weights["session_rates"], weights["session_weights"], session_prior)
        self._categories_IG = Categories.of(catalogue).features()
        looks_IK = self._look(catalogue.embeddings_IE, catalogue.has_image_I)
        self._seeing_FD = np.concatenate([weights["image"], weights["category"]])[:, :-1]
        self._features_IF = np.concatenate([looks_IK, self._categories_IG], axis=1)
        self._seen_ID = self._features_IF @ self._seeing_FD
        self._likings_I = self._features_IF @ weights["new_likings"]
        self._rated = self._fold_rated_items(looks_IK, users)
        self._items = self._fold_known_items(catalogue, users)
        self._solve_learnt = lru_cache(_REMEMBERED)(lambda user: self._solve(users.history(user)))
        self._listen_learnt = lru_cache(_REMEMBERED)(lambda user: self._listen(users.history(user)))

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return z_u with λ_u and ν_u, and t_u; a user known from training is one like others."""
        vectors_BE = np.empty((len(users), self._items.vectors_BD.shape[1]), np.float32)
        bias_B = np.empty(len(users), np.float32)
        solved: tuple[History, np.ndarray] | None = None
        for row, asker in enumerate(users):
            # Who asks at many moments, with one history, is solved for once.
            if solved is None or solved[0] is not asker.history:
                solved = asker.history, self._recall(asker)
            vectors_BE[row], bias_B[row] = solved[1][:-1], solved[1][-1]
            known, new = self._read_mood(asker)
            bias_B[row] += known
            vectors_BE[row, -1] += new - known
        return Side(bias_B, vectors_BE, tuple(map(path_of, users)))

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return what the images of new items say."""
        has_image_B = np.any(embeddings_BE != 0, axis=1)
        looks_BK = self._look(embeddings_BE, has_image_B)
        average_BG = np.zeros((len(looks_BK), self._categories_IG.shape[1]), np.float32)
        features_BF = np.concatenate([looks_BK, average_BG], axis=1)
        return self._describe_new(features_BF, has_image_B)

    def known_items(self) -> Side:
        """Return every item's side."""
        return self._items

    def _recall(self, asker: Asker) -> np.ndarray:
        """Return what `_solve` gives, from memory where the model learnt the history."""
        if asker.is_learnt:
            return self._solve_learnt(asker.user)
        return self._solve(asker.history)

    def _solve(self, history: History) -> np.ndarray:
        """Return a user's vector, and last the bias."""
        prior_C, linked_2 = self._expect(history)
        if not len(history):
            unknown_F1 = np.zeros(self._features_IF.shape[1] + 1)
            unknown_F1[-1] = -prior_C[-1]
            return np.concatenate([prior_C[:-1], linked_2, unknown_F1, prior_C[-1:]])
        rated = self._rated.take(history.items_N)
        expected_N = rated.vectors_BD @ np.append(prior_C[:-1], linked_2) + prior_C[-1]
        above_N = history.ratings_N - self.mean
        left_N = above_N - rated.bias_B - expected_N
        solved_C = prior_C + solve_ridge(
            rated.vectors_BD[:, : self._factors], left_N, self._priors_C
        )
        taste_F1 = self._solve_taste(history.items_N, above_N - self._likings_I[history.items_N])
        taste_F1[-1] -= solved_C[-1]
        return np.concatenate([solved_C[:-1], linked_2, taste_F1, solved_C[-1:]])

    def _solve_taste(self, items_N: Ints, left_N: np.ndarray) -> np.ndarray:
        """Return t_u, its part along the factors told by features, and last its level."""
        x_NC = np.concatenate([self._seen_ID[items_N], self._features_IF[items_N]], axis=1)
        solved_C1 = solve_ridge(x_NC, left_N, self._weights["new_priors"])
        by_factor_D, by_feature_F1 = np.split(solved_C1, [self._factors])
        by_feature_F1[:-1] += self._seeing_FD @ by_factor_D
        return by_feature_F1

    def _read_mood(self, asker: Asker) -> np.ndarray:
        """Return what the latest ratings add to items that were rated, and to new ones."""
        history, now = asker.history, asker.now
        if asker.is_learnt and now is not None and len(history):
            mood = self._listen_learnt(asker.user)
            if mood.last < now:
                return self._session.fade(mood, now)
        return self._session.read(history.times_N, self._above_mean(history), now)

    def _listen(self, history: History) -> Mood:
        return self._session.listen(history.times_N, self._above_mean(history))

    def _above_mean(self, history: History) -> np.ndarray:
        return above_mean(history.ratings_N, self.mean, self._mean_prior)

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

    def _describe_new(self, features_BF: Floats, has_image_B: Bools) -> Side:
        """Return the side of items that nobody rated."""
        count = len(features_BF)
        nothing = np.zeros((count, self._factors + 2), np.float32)
        vectors_BE = np.concatenate([nothing, features_BF, np.ones((count, 1))], axis=1)
        bias_B = features_BF @ self._weights["new_likings"]
        paths = tuple("images" if has_image else "prior" for has_image in has_image_B)
        return Side(bias_B.astype(np.float32), vectors_BE.astype(np.float32), paths)

    def _fold_known_items(self, catalogue: Catalogue, users: UserBook) -> Side:
        rated_I = np.bincount(users.items_N, minlength=len(catalogue)) > 0
        new = self._describe_new(self._features_IF, catalogue.has_image_I)
        vectors_IE = new.vectors_BD * ~rated_I[:, None]
        vectors_IE[rated_I, : self._factors + 2] = self._rated.vectors_BD[rated_I]
        bias_I = np.where(rated_I, self._rated.bias_B, new.bias_B)
        paths = (
            "factors" if rated else path for rated, path in zip(rated_I, new.paths, strict=True)
        )
        return Side(bias_I, vectors_IE, tuple(paths))

    def _fold_rated_items(self, looks_IK: Floats, users: UserBook) -> Side:
        """Return b, v, ν and λ of all items, as if somebody had rated each."""
        weights = self._weights
        rows_IC = weights["item"] + looks_IK @ weights["image"]
        rows_IC = rows_IC + self._categories_IG @ weights["category"]
        counts_I = np.bincount(users.items_N, minlength=len(rows_IC))
        levels_I = np.zeros(len(rows_IC))
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
        # The user's level meets the item's newness, and the user's newness the item's level.
        vectors_IE = np.column_stack([rows_IC[:, :-1], newness_I, levels_I]).astype(np.float32)
        return Side(rows_IC[:, -1].astype(np.float32), vectors_IE, ("factors",) * len(rows_IC))


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

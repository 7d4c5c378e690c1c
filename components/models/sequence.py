"""What the families that read a user's ratings in their order share: windows, levels, item sides.

    rating(u, i) = μ + b_i + Σ_g a_g level_g + ⟨ W s + t, x_i ⟩ + linear terms

where x_i = q_i + V f_i is the item's factors plus its looks (an item that nobody rated has a learnt
prior for q_i), s the state that a network makes of the user's latest ratings, and t the sum of what
was rated by how it was rated, as `Windows.sum_tastes` says. All of it is worked out when somebody
asks, so a rating sent a second ago counts. Every table carries its linear terms as a last column.

Dimension letters as in `components.models`, and L ratings of a window (oldest first, then empty
places), F scales of time, G = F + 2 levels, T = 2 D + 2 facts of a rating, H width of a state,
K image factors, C = D + 1 columns.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from components.models.catalogue import Bools, Catalogue, Floats, Ints, UserBook
from components.models.hybrid import project_looks
from components.models.protocol import Asker, Side, Weights

# Factors are small numbers; so scaled, a network reads facts that are all of about one.
FACTOR_GAIN = 4.0

_ASKERS_AT_ONCE = 256

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """The latest ratings of B askers, and the levels of all that they rated.

    `residuals_BL` are against μ and the item's own level; `level_B` is the user's level,
    `before_BL` what it was just before each rating; `gaps_BL` the seconds since the rating before;
    `now_B` is infinite for who asks regardless of time. An empty place is item 0, with zeros.
    """

    counts_B: Ints
    items_BL: Ints
    residuals_BL: Floats
    before_BL: Floats
    gaps_BL: Floats
    times_BL: Doubles
    now_B: Doubles
    level_B: Floats
    levels_BG: Floats

    def are_rated(self) -> Bools:
        """Return which places hold a rating: (B, L)."""
        return np.arange(self.items_BL.shape[1]) < self.counts_B[:, None]

    def ages(self) -> Floats:
        """Return the seconds from each rating to the question, at least 0: (B, L)."""
        return np.maximum(self.now_B[:, None] - self.times_BL, 0).astype(np.float32)

    def state_facts(self, vectors_ID: Floats) -> Floats:
        """Return what a network reads of each rating: (B, L, T), zeros in empty places.

        The item's vector by how it was rated against the user's level, the vector as it is, the
        residual less the level, and the level.
        """
        vectors_BLD = vectors_ID[self.items_BL] * np.float32(FACTOR_GAIN)
        centred_BL1 = (self.residuals_BL - self.before_BL)[..., None]
        parts = [vectors_BLD * centred_BL1, vectors_BLD, centred_BL1, self.before_BL[..., None]]
        return np.concatenate(parts, axis=2) * self.are_rated()[..., None]

    def sum_tastes(self, vectors_ID: Floats) -> Floats:
        """Return Σ_j (d_j − m) x_j / √(n + 1) of each asker: (B, D).

        d_j is a rating's residual, m the user's level. Koren (2008), "Factorization meets the
        neighborhood", eq. 14, with the item's own vector in place of a second one, as Kabbur, Ning
        and Karypis (2013), "FISM", would have it if they did not keep two.
        """
        vectors_BLD = vectors_ID[self.items_BL]
        centred_BL = (self.residuals_BL - self.level_B[:, None]) * self.are_rated()
        summed_BD = np.matmul(centred_BL[:, None, :], vectors_BLD)[:, 0]
        return summed_BD / np.sqrt(self.counts_B[:, None] + np.float32(1))


@dataclass(frozen=True)
class Reading:
    """How a history becomes a window, and a level: the shrunk mean of all its residuals,

        level = Σ_j w_j d_j / (Σ_j w_j + prior),    w_j = 1

    Others fade with time, w_j = exp(−age_j / scale): Ding and Li (2005), "Time weight collaborative
    filtering". The G levels of an asker are the plain one for who asks regardless of time, the
    plain one for who asks at a time (zero for the other each), and those that fade (zero for the
    former): so what counts the more where less is known, may.
    """

    mean: float
    item_base_I: Floats
    prior: float
    fading_prior: float
    scales_F: Doubles
    length: int

    def read(self, askers: Sequence[Asker]) -> Windows:
        """Return the windows of askers; their histories may come in any order."""
        shape = (len(askers), self.length)
        windows = Windows(
            counts_B=np.zeros(len(askers), np.int64),
            items_BL=np.zeros(shape, np.int64),
            residuals_BL=np.zeros(shape, np.float32),
            before_BL=np.zeros(shape, np.float32),
            gaps_BL=np.zeros(shape, np.float32),
            times_BL=np.zeros(shape, np.float64),
            now_B=np.array([np.inf if asker.now is None else asker.now for asker in askers]),
            level_B=np.zeros(len(askers), np.float32),
            levels_BG=np.zeros((len(askers), len(self.scales_F) + 2), np.float32),
        )
        for row, asker in enumerate(askers):
            if len(asker.history):
                self._fill(windows, row, asker)
        return windows

    def _fill(self, windows: Windows, row: int, asker: Asker) -> None:
        history = asker.history
        order_N = np.lexsort((history.items_N, history.times_N))
        items_N, times_N = history.items_N[order_N], history.times_N[order_N]
        known_N = np.float32(self.mean) + self.item_base_I[items_N]
        residuals_N = (history.ratings_N[order_N] - known_N).astype(np.float64)
        sums_N = np.cumsum(residuals_N)
        before_N = (sums_N - residuals_N) / (np.arange(len(sums_N)) + self.prior)
        count = min(len(history), self.length)
        windows.counts_B[row] = count
        windows.items_BL[row, :count] = items_N[-count:]
        windows.residuals_BL[row, :count] = residuals_N[-count:]
        windows.before_BL[row, :count] = before_N[-count:]
        windows.gaps_BL[row, :count] = np.diff(times_N, prepend=times_N[0])[-count:]
        windows.times_BL[row, :count] = times_N[-count:]
        windows.level_B[row] = sums_N[-1] / (len(history) + self.prior)
        windows.levels_BG[row, 0 if asker.now is None else 1] = windows.level_B[row]
        ages_N = np.maximum(windows.now_B[row] - times_N, 0)
        fading_NF = np.exp(-ages_N[:, None] / self.scales_F)
        faded_F = (fading_NF * residuals_N[:, None]).sum(0)
        windows.levels_BG[row, 2:] = faded_F / (fading_NF.sum(0) + self.fading_prior)


def fade(seconds: Floats, scales_F: Doubles) -> Floats:
    """Return exp(−seconds / scale) for each scale, in a last dimension."""
    faded: Floats = np.exp(-seconds[..., None] / scales_F.astype(np.float32))
    return faded


def multiply_each(rows_BH: Floats, table_HC: Floats) -> Floats:
    """Return rows @ table, each row for itself.

    A product of many rows at once may round a row otherwise than alone: then who else asks in the
    same moment would change an answer.
    """
    product: Floats = np.matmul(rows_BH[:, None, :], table_HC)[:, 0]
    return product


class SequenceRecommender(ABC):
    """Answers from the weights that `components.training.sequence` exports, listed there.

    A family adds the network that makes a state of a window.
    """

    family: ClassVar[str]

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self.mean = float(weights["mean"][0])
        self._weights = weights
        self._scales_F = weights["scales"].astype(np.float64)
        self._reading = Reading(
            self.mean,
            weights["item_base"],
            float(weights["level_priors"][0]),
            float(weights["level_priors"][1]),
            self._scales_F,
            int(weights["length"][0]),
        )
        rated_I = np.bincount(users.items_N, minlength=len(catalogue)) > 0
        rows_IC = np.where(rated_I[:, None], weights["item"], weights["new_item"])
        rows_IC = rows_IC + self._look(catalogue.embeddings_IE, catalogue.has_image_I)
        self._items = _side(rows_IC, _item_paths(rated_I, catalogue.has_image_I))

    @abstractmethod
    def _make_states(self, windows: Windows, facts_BLT: Floats) -> Floats:
        """Return the state (B, H) of each asker."""

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return the state of each, made from the latest ratings of the history and its levels."""
        rows_BC = np.zeros((len(users), self._items.vectors_BD.shape[1] + 1), np.float32)
        for start in range(0, len(users), _ASKERS_AT_ONCE):
            windows = self._reading.read(users[start : start + _ASKERS_AT_ONCE])
            rows_BC[start : start + _ASKERS_AT_ONCE] = self._fold(windows)
        paths = ["history" if len(asker.history) else "prior" for asker in users]
        return _side(rows_BC, paths)

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return the prior of a new item plus what its images say."""
        has_image_B = np.any(embeddings_BE != 0, axis=1)
        rows_BC = self._weights["new_item"] + self._look(embeddings_BE, has_image_B)
        return _side(rows_BC, _item_paths(np.zeros(len(rows_BC), bool), has_image_B))

    def known_items(self) -> Side:
        """Return every item's side: q_i, or the prior for it, plus what its images say."""
        return self._items

    def _fold(self, windows: Windows) -> Floats:
        weights, vectors_ID = self._weights, self._items.vectors_BD
        states_BH = self._make_states(windows, windows.state_facts(vectors_ID))
        rows_BC = multiply_each(states_BH, weights["out"]) + weights["out_bias"]
        rows_BC[:, :-1] += multiply_each(windows.sum_tastes(vectors_ID), weights["taste"])
        rows_BC[:, -1] += (windows.levels_BG * weights["levels"]).sum(1)
        return rows_BC

    def _look(self, embeddings_BE: Floats, has_image_B: Bools) -> Floats:
        weights = self._weights
        looks_BK = project_looks(
            embeddings_BE, has_image_B, weights["image_mean"], weights["image_projection"]
        )
        return looks_BK @ weights["image"]


def _side(rows_BC: Floats, paths: list[str]) -> Side:
    rows_BC = rows_BC.astype(np.float32)
    return Side(rows_BC[:, -1].copy(), rows_BC[:, :-1].copy(), tuple(paths))


def _item_paths(rated_B: Bools, has_image_B: Bools) -> list[str]:
    return [
        "factors" if rated else "images" if has_image else "prior"
        for rated, has_image in zip(rated_B, has_image_B, strict=True)
    ]

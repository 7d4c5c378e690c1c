"""What both sequence families share while they learn: items, tastes, levels, and what is struck.

What is exported is answered from by `components.models.sequence`, where the formula stands. Each
rating is predicted from those of an earlier second alone (`components.training.questions`), so no
rating is read by what predicts it.

Dimension letters as in `components.training.questions`, and D factors, C = D + 1 (the last column
of every table is a linear term), T facts of a rating, H width of a state, K image factors.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.family_params import Sequential
from components.models.catalogue import UserBook
from components.models.protocol import Weights
from components.models.sequence import FACTOR_GAIN
from components.training.ladder import fit_biases, mean_rating
from components.training.learner import Rows, draw
from components.training.questions import (
    Questions,
    ask_at_the_end,
    ask_from_past,
    ask_in_order,
    cut_windows,
    draw_earlier,
)
from components.training.tensors import Interactions, gather
from components.training.timeline import Timeline

_START_SPREAD = 0.05
# What a batch holds at most, however few batches an epoch shall have: it bounds the memory.
_MOST_ROWS = 1 << 16


class Network(nn.Module, ABC):
    """Makes a state of what a question may read."""

    @abstractmethod
    def forward(self, facts_WLT: Tensor, questions: Questions, timeline: Timeline) -> Tensor:
        """Return the state that answers each question: (W, Q, H)."""

    @abstractmethod
    def penalty(self) -> Tensor:
        """Return Σ |w|² over the weights."""

    @abstractmethod
    def export(self) -> Weights:
        """Return the weights by the names that the answering side reads."""


@dataclass(frozen=True, kw_only=True)
class WindowRows(Rows):
    """The rows of whole windows, in order, and from where to where each window goes."""

    starts_W: Tensor
    ends_W: Tensor


class SequenceLearner(nn.Module):
    """MAP estimate with a normal prior for each block of parameters (`Sequential.*_prior`).

    ID dropout strikes items that are asked for or read, user dropout all that is known of a user,
    as if it were unknown. Pairs that are not learnt are asked for regardless of time.
    """

    def __init__(
        self,
        book: UserBook,
        interactions: Interactions,
        looks_IK: Tensor,
        options: Sequential,
        make_network: Callable[[int, Any, Generator], Network],
        generator: Generator,
    ) -> None:
        super().__init__()
        self._options, self._mean = options, float(mean_rating(book))
        self._interactions, self._looks_IK = interactions, looks_IK
        device = looks_IK.device
        base_I = fit_biases(book, interactions.items, options.bias_prior)[1]
        self._base_I = torch.from_numpy(base_I).to(device)
        residuals_N = book.ratings_N - np.float32(self._mean) - base_I[book.items_N]
        self._timeline = Timeline.of(book, residuals_N, options, str(device))
        self._rated_I = interactions.by_item.offsets.diff() > 0
        self._starts_W, self._ends_W = cut_windows(self._timeline, options.length)
        factors, columns = options.factors, options.factors + 1
        start_ID = start((interactions.items, factors), _START_SPREAD, generator)
        self.item = nn.Parameter(torch.cat([start_ID, torch.from_numpy(base_I)[:, None]], dim=1))
        self.new_item = nn.Parameter(torch.zeros(columns))
        self.image = nn.Parameter(torch.zeros(looks_IK.shape[1], columns))
        self.taste = nn.Parameter(torch.eye(factors))
        self.levels = nn.Parameter(self._fit_levels())
        self.out = nn.Parameter(torch.zeros(options.width, columns))
        self.out_bias = nn.Parameter(torch.zeros(columns))
        self.network = make_network(2 * factors + 2, options, generator)
        self.to(device)

    def _fit_levels(self) -> Tensor:
        """Return what each level counts to begin with: (G,).

        By least squares of the learnt ratings on what was known in their second, for a few hundred
        steps would not carry them there; 1 for who asks regardless of time.
        """
        timeline = self._timeline
        plain_N = timeline.level(timeline.own_starts_N, timeline.pasts_N)
        known_NG = torch.cat([plain_N[:, None], timeline.fading_NF], dim=1).double().cpu()
        prior_GG = self._options.bias_prior * torch.eye(known_NG.shape[1], dtype=torch.float64)
        moments_G = known_NG.T @ timeline.residuals_N.double().cpu()
        solved_G = torch.linalg.solve(known_NG.T @ known_NG + prior_GG, moments_G)
        return torch.cat([torch.ones(1), solved_G.float()])

    def batches(self, generator: Generator) -> Iterator[Rows]:
        """Yield all learnt rows, windows shuffled."""
        order_W = torch.randperm(len(self._starts_W), generator=generator)
        most = max(1, _MOST_ROWS // max(1, self._options.length // 2))
        least = math.ceil(len(order_W) / most)
        for chosen_W in order_W.chunk(max(least, self._options.batches)):
            chosen_W = chosen_W.to(self._starts_W.device)
            yield self._rows_of(self._starts_W[chosen_W], self._ends_W[chosen_W])

    def _rows_of(self, starts_W: Tensor, ends_W: Tensor) -> WindowRows:
        offsets_Q = torch.arange(int((ends_W - starts_W).max()), device=starts_W.device)
        places_WQ = starts_W[:, None] + offsets_Q
        own_B = places_WQ[places_WQ < ends_W[:, None]]
        interactions = self._interactions
        users_B, items_B = interactions.users_N[own_B], interactions.items_N[own_B]
        return WindowRows(
            users_B, items_B, own_B, interactions.times_N[own_B], starts_W=starts_W, ends_W=ends_W
        )

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        """Return B ratings; with a generator, some questions, users and items are struck."""
        if isinstance(rows, WindowRows):
            users_BC = self._user_sides(self._ask_windows(rows, generator), generator)
        else:
            users_BC = self._user_sides_apart(rows)
        items_BC = self._item_sides(rows.items_B, generator)
        dots_B = (users_BC[:, :-1] * items_BC[:, :-1]).sum(1)
        return self._mean + users_BC[:, -1] + items_BC[:, -1] + dots_B

    def _ask_windows(self, rows: WindowRows, generator: Generator | None) -> Questions:
        starts_W, ends_W, length = rows.starts_W, rows.ends_W, self._options.length
        if generator is None:
            return ask_in_order(self._timeline, starts_W, ends_W, length)
        shape = (len(starts_W), int((ends_W - starts_W).max()))
        draws = draw_earlier(generator, self._options.timeless_share, shape, starts_W.device)
        questions = ask_in_order(self._timeline, starts_W, ends_W, length, draws)
        return questions.forget(self._strike(self._options.user_dropout, shape, generator))

    def _user_sides_apart(self, rows: Rows) -> Tensor:
        """Return the sides (B, C) for rows outside of any window, each from a window of its own."""
        if rows.own_B is not None:
            return self._ask_in_blocks(ask_from_past, rows.own_B)
        users_W, asked_B = torch.unique(rows.users_B, return_inverse=True)
        return gather(self._ask_in_blocks(ask_at_the_end, users_W), asked_B)

    def _ask_in_blocks(
        self, ask: Callable[[Timeline, Tensor, int], Questions], codes_W: Tensor
    ) -> Tensor:
        length = self._options.length
        blocks = codes_W.split(max(1, _MOST_ROWS // length))
        return torch.cat(
            [self._user_sides(ask(self._timeline, block, length), None) for block in blocks]
        )

    def _strike(self, share: float, shape: Sequence[int], generator: Generator | None) -> Tensor:
        device, rows = self._looks_IK.device, math.prod(shape)
        if generator is None:
            return torch.zeros(tuple(shape), dtype=torch.bool, device=device)
        return draw(generator, share, rows, device).view(tuple(shape))

    def _user_sides(self, questions: Questions, generator: Generator | None) -> Tensor:
        """Return the sides (B, C) of those for whom questions are asked."""
        items_WL = self._interactions.items_N[questions.places_WL]
        vectors_WLD = self._item_sides(items_WL.flatten(), generator)[:, :-1]
        vectors_WLD = vectors_WLD.view(*items_WL.shape, -1)
        facts_WLT = self._state_facts(vectors_WLD, questions)
        states_WQH = self.network(facts_WLT, questions, self._timeline)
        sides_WQC = states_WQH @ self.out + self.out_bias
        tastes_WQD = self._sum_tastes(vectors_WLD, questions) @ self.taste
        linear_WQ = questions.levels() @ self.levels
        added_WQC = torch.cat([tastes_WQD, linear_WQ[..., None]], dim=2)
        return gather((sides_WQC + added_WQC).flatten(0, 1), questions.asked_B)

    def _item_sides(self, items_B: Tensor, generator: Generator | None) -> Tensor:
        struck_B = self._strike(self._options.id_dropout, items_B.shape, generator)
        new_B = ~self._rated_I[items_B] | struck_B
        ids_BC = torch.where(new_B[:, None], self.new_item, gather(self.item, items_B))
        return ids_BC + gather(self._looks_IK @ self.image, items_B)

    def _state_facts(self, vectors_WLD: Tensor, questions: Questions) -> Tensor:
        timeline, places_WL = self._timeline, questions.places_WL
        before_WL1 = timeline.before_N[places_WL][..., None]
        centred_WL1 = timeline.residuals_N[places_WL][..., None] - before_WL1
        scaled_WLD = vectors_WLD * FACTOR_GAIN
        facts = torch.cat([scaled_WLD * centred_WL1, scaled_WLD, centred_WL1, before_WL1], dim=2)
        return facts * questions.is_rated_WL[..., None]

    def _sum_tastes(self, vectors_WLD: Tensor, questions: Questions) -> Tensor:
        """Return Σ_j (d_j − m) x_j / √(n + 1) over what each question may read: (W, Q, D)."""
        residuals_WL = self._timeline.residuals_N[questions.places_WL]
        rated_WL1 = questions.is_rated_WL[..., None]
        summed_WLD = _running((vectors_WLD * residuals_WL[..., None] * rated_WL1).float())
        plain_WLD = _running((vectors_WLD * rated_WL1).float())
        seen_WQ1 = questions.seen_WQ[..., None]
        seen_WQD = seen_WQ1.expand(-1, -1, vectors_WLD.shape[2])
        level_WQ1 = questions.level_WQ[..., None]
        summed_WQD = summed_WLD.gather(1, seen_WQD) - level_WQ1 * plain_WLD.gather(1, seen_WQD)
        return summed_WQD / (seen_WQ1 + 1).float().sqrt()

    def penalty(self) -> Tensor:
        """Return Σ prior × squares, block by block; levels and the constants of all are free."""
        options = self._options
        factors = self.item[:, :-1].square().sum() + self.new_item[:-1].square().sum()
        squares = [
            options.factor_prior * factors,
            options.bias_prior * self.item[:, -1].square().sum(),
            options.image_prior * self.image[:, :-1].square().sum(),
            options.image_bias_prior * self.image[:, -1].square().sum(),
            options.out_prior * self.out.square().sum(),
            options.network_prior * self.network.penalty(),
        ]
        return torch.stack(squares).sum()

    def module(self) -> nn.Module:
        """Return itself."""
        return self

    def export(self) -> Weights:
        """Return everything that `components.models.sequence` and the family's network read, but
        for the image statistics.
        """
        options = self._options
        tensors = {
            "item": self.item, "new_item": self.new_item, "image": self.image,
            "taste": self.taste, "levels": self.levels, "out": self.out,
            "out_bias": self.out_bias, "item_base": self._base_I,
        }  # fmt: skip
        weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
        weights["mean"] = np.array([self._mean], np.float32)
        priors = [options.bias_prior, options.fading_prior]
        weights["level_priors"] = np.array(priors, np.float32)
        weights["scales"] = np.array(options.scales, np.float32)
        weights["length"] = np.array([options.length], np.float32)
        return {**weights, **self.network.export()}


def start(shape: Sequence[int], spread: float, generator: Generator) -> Tensor:
    """Return what a parameter begins with: drawn from a normal distribution, on the CPU."""
    return torch.randn(tuple(shape), generator=generator) * spread


def fade(seconds: Tensor, scales_F: Tensor) -> Tensor:
    """Return exp(−seconds / scale) for each scale, in a last dimension."""
    return torch.exp(-seconds[..., None] / scales_F)


def _running(values_WLD: Tensor) -> Tensor:
    """Return the sums of the first 0, 1, … L places: (W, L + 1, D)."""
    return torch.cat([torch.zeros_like(values_WLD[:, :1]), values_WLD.cumsum(1)], dim=1)

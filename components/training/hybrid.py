"""The hybrid while it learns: what it exports is answered from by `components.models.hybrid`.

A row that is learnt from is left out of both histories that predict it: so a learnt row looks like
one that will be asked for, whose rating no history holds.

Dimension letters as in `components.training.tensors`, and C = D + 1: the last column of every
table is a linear term. P users of one share of the rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.family_params import Hybrid
from components.models.catalogue import UNKNOWN, UserBook
from components.models.protocol import Weights
from components.models.ridge import stack_priors
from components.training.ladder import fit_biases, mean_rating
from components.training.learner import Rows, draw
from components.training.moods import RATES_F2, read_moods, weigh_moods
from components.training.new_items import NewItemsFit
from components.training.posterior import Layout, fit_without_own, solve_each
from components.training.tensors import Groups, Interactions, Readings, gather

_START_SPREAD = 0.05
_SOFTENING = 1.0


@dataclass(frozen=True)
class Histories:
    """Who rated each item, and how, as residuals against the raters' own levels.

    `counts_I` and `sums_I` are the number of an item's raters and the sum of their residuals,
    `levels_I` the sum of their biases.
    """

    by_that: Readings
    by_how: Readings
    residuals_N: Tensor
    counts_I: Tensor
    sums_I: Tensor
    levels_I: Tensor

    @classmethod
    def of(cls, interactions: Interactions, residuals_N: Tensor, base_U: Tensor) -> "Histories":
        """Count and add up each item's residuals."""
        by_item = interactions.by_item
        both_N2 = torch.stack([residuals_N, base_U[interactions.users_N]], dim=1)
        sums_I, levels_I = by_item.sum(both_N2).unbind(1)
        counts_I = by_item.offsets.diff().to(residuals_N.dtype)
        return cls(
            Readings.of_items(interactions),
            Readings.of_items(interactions, residuals_N),
            residuals_N,
            counts_I,
            sums_I,
            levels_I,
        )


@dataclass(frozen=True, kw_only=True)
class Share(Rows):
    """All B rows of P users, one user after the other, and what never changes about their order.

    `place_B` is each row's user among the P.
    """

    own_B: Tensor
    users_P: Tensor
    place_B: Tensor
    by_place: Groups
    by_item: Groups
    layout: Layout

    @classmethod
    def of(cls, given: Interactions, users_P: Tensor) -> "Share":
        """Take the rows of some users."""
        counts_P = given.by_user.offsets.diff()[users_P]
        own_B = given.by_user.rows_N[_ranges(given.by_user.offsets[users_P], counts_P)]
        places_P = torch.arange(len(users_P), device=users_P.device)
        place_B = torch.repeat_interleave(places_P, counts_P, output_size=len(own_B))
        items_B = given.items_N[own_B]
        return cls(
            users_B=users_P[place_B],
            items_B=items_B,
            own_B=own_B,
            users_P=users_P,
            place_B=place_B,
            by_place=Groups.of(place_B, len(users_P)),
            by_item=Groups.of(items_B, given.items),
            layout=Layout.of(counts_P),
        )


@dataclass(frozen=True)
class ItemSide:
    """The items' side of B rows: x (B, C) with a last column of ones, b, λ and ν."""

    x_BC: Tensor
    bias_B: Tensor
    level_B: Tensor
    newness_B: Tensor

    @classmethod
    def of(cls, side_BC: Tensor, level_B: Tensor, newness_B: Tensor) -> "ItemSide":
        """Part the factors from the linear term."""
        x_BC = torch.cat([side_BC[:, :-1], torch.ones_like(side_BC[:, :1])], dim=1)
        return cls(x_BC, side_BC[:, -1], level_B, newness_B)

    def take(self, codes_B: Tensor) -> "ItemSide":
        """Return the side of some of the items."""
        return ItemSide(
            gather(self.x_BC, codes_B),
            self.bias_B[codes_B],
            self.level_B[codes_B],
            self.newness_B[codes_B],
        )


@dataclass(frozen=True)
class UserPrior:
    """What is known of B rows' users before how they rated: what they read, λ and their counts."""

    read_BC: Tensor
    level_B: Tensor
    count_B: Tensor

    def take(self, codes_B: Tensor, known_B: Tensor | None = None) -> "UserPrior":
        """Return the prior of some of the users; of one that is not known, nothing."""
        read_BC, level_B, count_B = gather(self.read_BC, codes_B), self.level_B, self.count_B
        level_B, count_B = level_B[codes_B], count_B[codes_B]
        if known_B is None:
            return UserPrior(read_BC, level_B, count_B)
        return UserPrior(read_BC * known_B[:, None], level_B * known_B, count_B * known_B)


class HybridLearner(nn.Module):
    """MAP estimate with a normal prior for each block of parameters (families.hybrid.*_prior).

    A user is solved for from the other rows of the history, so the loss is the error of leaving
    one out. History dropout strikes what a row's user rated. Items that nobody rated are a
    regression of their own, and what the mood of a session counts for is fitted in the end.
    """

    _priors_C: Tensor

    def __init__(
        self,
        book: UserBook,
        interactions: Interactions,
        looks_IK: Tensor,
        categories_IG: Tensor,
        options: Hybrid,
        generator: Generator,
    ) -> None:
        super().__init__()
        self._options, self._mean = options, float(mean_rating(book))
        self._book, self._interactions = book, interactions
        device = looks_IK.device
        self._looks_IK, self._categories_IG = looks_IK, categories_IG.to(device)
        self._new_items = NewItemsFit(
            book, interactions, looks_IK, self._categories_IG, self._mean, options
        )
        bias_U, bias_I = fit_biases(book, interactions.items, options.bias_prior)
        self._base_U = torch.from_numpy(bias_U).to(device)
        self._base_I = torch.from_numpy(bias_I).to(device)
        residuals_N = interactions.ratings_N - self._mean - self._base_U[interactions.users_N]
        self._of_items = Histories.of(interactions, residuals_N, self._base_U)
        self._rated = Readings.of_users(interactions)
        self._counts_U = interactions.by_user.offsets.diff()
        self._levels_U = interactions.by_user.sum(self._base_I[interactions.items_N][:, None])[:, 0]
        users_U = torch.randperm(interactions.users, generator=generator).to(device)
        self._shares = [Share.of(interactions, part) for part in users_U.chunk(options.batches)]
        self._start(interactions, options.factors + 1, generator)
        priors = stack_priors(options.user_bias_prior, options.factor_prior, options.factors)
        self.register_buffer("_priors_C", torch.from_numpy(priors).float(), persistent=False)
        self.to(device)

    def _start(self, interactions: Interactions, columns: int, generator: Generator) -> None:
        def drawn(rows: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=generator) * _START_SPREAD)

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(*shape))

        self.item, self.that = drawn(interactions.items), drawn(interactions.items)
        self.user_how, self.user_that = drawn(interactions.users), drawn(interactions.users)
        self.item.data[:, -1] = 0
        self.new_user = zeros(columns)
        self.image = zeros(self._looks_IK.shape[1], columns)
        self.category = zeros(self._categories_IG.shape[1], columns)
        self.item_levels, self.links = zeros(1), zeros(2)

    def batches(self, generator: Generator) -> Iterator[Rows]:
        """Yield the shares of the users, divided once, in random order."""
        for share in torch.randperm(len(self._shares), generator=generator).tolist():
            yield self._shares[share]

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        """Return B ratings; with a generator, some items and some histories are struck."""
        if isinstance(rows, Share):
            return self._rate_learnt(rows, generator)
        if rows.own_B is None:
            return self._rate_asked(rows)
        users_P, place_B = torch.unique(rows.users_B, return_inverse=True)
        whole = Share.of(self._interactions, users_P)
        # Where each asked row stands among all rows of its user.
        starts_P = self._counts_U[users_P].cumsum(0) - self._counts_U[users_P]
        first_B = self._interactions.by_user.offsets[rows.users_B]
        own_B = starts_P[place_B] + rows.own_B - first_B
        return gather(self._rate_learnt(whole, generator)[:, None], own_B)[:, 0]

    def _rate_learnt(self, share: Share, generator: Generator | None) -> Tensor:
        """Return the ratings of all rows of some users, each left out of what predicts it."""
        count, device = len(share.users_B), share.users_B.device
        silent_B = self._counts_U[share.users_B] <= 1
        items = self._leave_out_raters(share)
        past = self._expect(items, self._leave_out_rated(share, silent_B))
        residuals_B = self._interactions.ratings_N[share.own_B] - past.float()
        learnt_B = fit_without_own(items.x_BC, residuals_B, share.layout, self._priors_C)
        rated_B = past + learnt_B * ~silent_B
        if generator is None:
            return rated_B
        struck_B = draw(generator, self._options.history_dropout, count, device) | silent_B
        alone_B = self._expect(items, self._leave_out_rated(share, struck_B))
        return torch.where(struck_B, alone_B, rated_B)

    def _rate_asked(self, rows: Rows) -> Tensor:
        """Return the ratings of rows that were not learnt, from whole histories."""
        users_P, place_B = torch.unique(rows.users_B.clamp(min=0), return_inverse=True)
        history, items = Share.of(self._interactions, users_P), self._read_raters()
        past, users = items.take(history.items_B), self._read_rated(users_P)
        expected_N = self._expect(past, users.take(history.place_B))
        residuals_N = self._interactions.ratings_N[history.own_B] - expected_N
        solved_PC = solve_each(past.x_BC, residuals_N, history.layout, self._priors_C)
        asked, known_B = items.take(rows.items_B), rows.users_B != UNKNOWN
        prior_B = self._expect(asked, users.take(place_B, known_B))
        rated_B = prior_B + (gather(solved_PC, place_B) * asked.x_BC).sum(1) * known_B
        is_new_B = self._of_items.counts_I[rows.items_B] == 0
        if not is_new_B.any():
            return rated_B
        new_B = self._new_items.rate(self._see()[:, :-1], rows.users_B, rows.items_B, known_B)
        return torch.where(is_new_B, new_B, rated_B)

    def _expect(self, items: ItemSide, users: UserPrior) -> Tensor:
        """Return what is expected before it is known how the users rated."""
        prior = self._options.bias_prior
        linked_B = self.links[0] * users.level_B * items.newness_B
        linked_B = linked_B + self.links[1] * prior / (users.count_B + prior) * items.level_B
        expected_B = ((self.new_user + users.read_BC) * items.x_BC).sum(1)
        return self._mean + items.bias_B + expected_B + linked_B

    def _read_rated(self, users_P: Tensor) -> UserPrior:
        """Return what users rated, however they rated it."""
        count_P = self._counts_U[users_P]
        read_PC = (
            gather(self._rated.sum(self.that), users_P) / (count_P + _SOFTENING).sqrt()[:, None]
        )
        level_P = self._levels_U[users_P] / (count_P + self._options.bias_prior)
        return UserPrior(read_PC, level_P, count_P)

    def _leave_out_rated(self, share: Share, silent_B: Tensor) -> UserPrior:
        """Return what each row's user rated beside it; nothing for a silent row."""
        heard_B = ~silent_B
        that_PC = gather(self._rated.sum(self.that), share.users_P)
        count_B = (self._counts_U[share.users_B] - 1) * heard_B
        read_BC = gather(that_PC, share.place_B, share.by_place)
        read_BC = read_BC - gather(self.that, share.items_B, share.by_item)
        read_BC = read_BC * (heard_B / (count_B + _SOFTENING).sqrt())[:, None]
        level_B = self._levels_U[share.users_B] - self._base_I[share.items_B]
        return UserPrior(read_BC, level_B * heard_B / (count_B + self._options.bias_prior), count_B)

    def _read_raters(self) -> ItemSide:
        """Return the side of all items, each with everybody who rated it."""
        histories, prior = self._of_items, self._options.bias_prior
        count_I = histories.counts_I
        both_UC = torch.cat([self.user_how, self.user_that], dim=1)
        how_IC, that_IC = histories.by_that.sum(both_UC).chunk(2, dim=1)
        level_I = histories.sums_I / (count_I + prior)
        read_IC = histories.by_how.sum(self.user_how) - level_I[:, None] * how_IC + that_IC
        known_IC = self.item + read_IC / (count_I + _SOFTENING).sqrt()[:, None]
        known_IC = _add_linear(known_IC, self.item_levels * level_I)
        return ItemSide.of(
            known_IC + self._see(),
            histories.levels_I / (count_I + prior),
            prior / (count_I + prior),
        )

    def _leave_out_raters(self, share: Share) -> ItemSide:
        """Return the side of each row's item as the other raters have it."""
        histories, prior, items_B = self._of_items, self._options.bias_prior, share.items_B
        others_I = (histories.counts_I - 1).clamp(min=0)
        scale_I = 1 / (others_I + _SOFTENING).sqrt()
        both_UC = torch.cat([self.user_how, self.user_that], dim=1)
        how_IC, that_IC = histories.by_that.sum(both_UC).chunk(2, dim=1)
        mean_I = histories.sums_I / (others_I + prior)
        read_IC = histories.by_how.sum(self.user_how) - mean_I[:, None] * how_IC + that_IC
        # What does not depend on the row stands in the items' tables, and is added up once.
        whole_IC = self.item + read_IC * scale_I[:, None] + self._see()
        how_IC = how_IC * (scale_I / (others_I + prior))[:, None]
        table_BC = gather(torch.cat([whole_IC, how_IC], dim=1), items_B, share.by_item)
        whole_BC, how_BC = table_BC.chunk(2, dim=1)
        own_PC = gather(both_UC, share.users_P)
        own_how_BC, own_that_BC = gather(own_PC, share.place_B, share.by_place).chunk(2, dim=1)
        residual_B, others_B = histories.residuals_N[share.own_B], others_I[items_B]
        level_B = (histories.sums_I[items_B] - residual_B) / (others_B + prior)
        own_BC = (level_B - residual_B)[:, None] * own_how_BC - own_that_BC
        known_BC = whole_BC + residual_B[:, None] * how_BC + scale_I[items_B][:, None] * own_BC
        known_BC = _add_linear(known_BC, self.item_levels * level_B)
        base_B = histories.levels_I[items_B] - self._base_U[share.users_B]
        return ItemSide.of(known_BC, base_B / (others_B + prior), prior / (others_B + prior))

    def _see(self) -> Tensor:
        """Return what images and categories say of all items: (I, C)."""
        return self._looks_IK @ self.image + self._categories_IG @ self.category

    def penalty(self) -> Tensor:
        """Return Σ prior × squares, block by block; levels and links are free."""
        options = self._options
        histories = _squares(self.that) + _squares(self.user_how) + _squares(self.user_that)
        of_new = self.new_user[:-1].square().sum()
        weights = torch.tensor(
            [
                [options.factor_prior, options.bias_prior],
                [options.history_prior, options.history_bias_prior],
                [options.image_prior, options.image_bias_prior],
                [options.category_prior, options.category_bias_prior],
            ],
            device=of_new.device,
        )
        blocks = [_squares(self.item), histories, _squares(self.image), _squares(self.category)]
        return (torch.stack(blocks) * weights).sum() + options.factor_prior * of_new

    def module(self) -> nn.Module:
        """Return itself."""
        return self

    def export(self) -> Weights:
        """Return everything that `components.models.hybrid` reads, but for the image statistics."""
        options = self._options
        tensors = {
            "item": self.item, "new_user": self.new_user,
            "item_that": self.that, "user_how": self.user_how, "user_that": self.user_that,
            "image": self.image, "category": self.category,
            "item_levels": self.item_levels, "links": self.links,
            "user_base": self._base_U, "item_base": self._base_I,
        }  # fmt: skip
        weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
        weights["mean"] = np.array([self._mean], np.float32)
        weights["constants"] = np.array([_SOFTENING, options.bias_prior], np.float32)
        weights["user_priors"] = np.array(
            [options.user_bias_prior, options.factor_prior], np.float32
        )
        return {**weights, **self._new_items.export(), **self._export_session()}

    @torch.no_grad()
    def _export_session(self) -> Weights:
        """Return how a session is read, weighed for items that were rated and for new ones."""
        options, given = self._options, self._interactions
        users_U = torch.arange(given.users, device=given.ratings_N.device)
        rated_N = self._rate_learnt(Share.of(given, users_U), None)
        levels_NF = read_moods(
            self._book, self._mean, options.user_bias_prior, options.session_prior
        )
        weights = [
            weigh_moods(
                levels_NF,
                (given.ratings_N - expected_N).cpu().numpy().astype(np.float64),
                options.session_weight_prior,
            )
            for expected_N in (rated_N, self._new_items.rate_without_own(self._see()[:, :-1]))
        ]
        return {
            "session_rates": RATES_F2,
            "session_weights": np.stack(weights),
            "session_priors": np.array(
                [options.session_prior, options.user_bias_prior], np.float32
            ),
        }


def _ranges(starts_B: Tensor, counts_B: Tensor) -> Tensor:
    """Return start, start + 1, … of each range, one after the other."""
    total = int(counts_B.sum())
    before_B = counts_B.cumsum(0) - counts_B
    offsets_N = torch.repeat_interleave(starts_B - before_B, counts_B, output_size=total)
    return offsets_N + torch.arange(total, device=starts_B.device)


def _squares(table_RC: Tensor) -> Tensor:
    """Return Σ of squares of the factors and of the linear terms: (2,)."""
    return torch.stack([table_RC[:, :-1].square().sum(), table_RC[:, -1].square().sum()])


def _add_linear(read_BC: Tensor, linear_B: Tensor) -> Tensor:
    return torch.cat([read_BC[:, :-1], read_BC[:, -1:] + linear_B[:, None]], dim=1)

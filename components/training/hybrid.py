"""The hybrid while it learns: what it exports is answered from by `components.models.hybrid`.

A row that is learnt from is left out of both histories that predict it: so a learnt row looks like
one that will be asked for, whose rating no history holds.

Dimension letters as in `components.training.tensors`, and C = D + 1: the last column of every
table is a linear term.
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
from components.training.posterior import fit_without_own, solve_each
from components.training.tensors import Groups, Interactions, gather, sum_read

_START_SPREAD = 0.05
_SOFTENING = 1.0


@dataclass(frozen=True)
class Histories:
    """The histories of G owners: what each read, and how, as residuals against the thing read."""

    owner: Groups
    reader: Groups
    owners_N: Tensor
    read_N: Tensor
    residuals_N: Tensor
    counts_G: Tensor
    sums_G: Tensor

    @classmethod
    def of(
        cls, owner: Groups, reader: Groups, owners_N: Tensor, read_N: Tensor, residuals_N: Tensor
    ) -> "Histories":
        """Count and add up each owner's residuals."""
        sums_G = owner.sum(residuals_N[:, None])[:, 0]
        counts_G = owner.offsets.diff().to(residuals_N.dtype)
        return cls(owner, reader, owners_N, read_N, residuals_N, counts_G, sums_G)

    def sum(self, table_RC: Tensor, *, weighted: bool) -> Tensor:
        """Return Σ of the table's rows over each owner's history, by residual if `weighted`."""
        weights_N = self.residuals_N if weighted else None
        return sum_read(table_RC, self.read_N, self.owner, self.reader, self.owners_N, weights_N)


@dataclass(frozen=True)
class ItemSide:
    """The items' side of B rows: x (B, C) with a last column of ones, b, λ and ν."""

    x_BC: Tensor
    bias_B: Tensor
    level_B: Tensor
    newness_B: Tensor


class HybridLearner(nn.Module):
    """MAP estimate with a normal prior for each block of parameters (families.hybrid.*_prior).

    A user is solved for from the other rows of the history, so the loss is the error of leaving
    one out. ID dropout strikes a row's item: the learnt prior of unknown ones takes its place, and
    it loses who rated it, for an item that nobody rated has none. History dropout strikes what a
    row's user rated.
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
        self._interactions = interactions
        device = looks_IK.device
        self._looks_IK, self._categories_IG = looks_IK, categories_IG.to(device)
        bias_U, bias_I = fit_biases(book, interactions.items, options.bias_prior)
        self._base_U = torch.from_numpy(bias_U).to(device)
        self._base_I = torch.from_numpy(bias_I).to(device)
        users_N, items_N = interactions.users_N, interactions.items_N
        self._of_items = Histories.of(
            interactions.by_item,
            interactions.by_user,
            items_N,
            users_N,
            interactions.ratings_N - self._mean - self._base_U[users_N],
        )
        self._counts_U = interactions.by_user.offsets.diff()
        self._levels_U = interactions.by_user.sum(self._base_I[items_N][:, None])[:, 0]
        self._levels_I = interactions.by_item.sum(self._base_U[users_N][:, None])[:, 0]
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
        self.new_user, self.new_item = zeros(columns), zeros(columns)
        self.image = zeros(self._looks_IK.shape[1], columns)
        self.category = zeros(self._categories_IG.shape[1], columns)
        self.item_levels, self.links = zeros(1), zeros(2)

    def batches(self, generator: Generator) -> Iterator[Rows]:
        """Yield all rows of some users at a time, in random order of users."""
        users_U = torch.randperm(len(self._counts_U), generator=generator)
        for users_B in users_U.to(self._counts_U.device).chunk(self._options.batches):
            yield self._rows_of(users_B)

    def _rows_of(self, users_B: Tensor) -> Rows:
        given = self._interactions
        counts_B = self._counts_U[users_B]
        own_B = given.by_user.rows_N[_ranges(given.by_user.offsets[users_B], counts_B)]
        return Rows(given.users_N[own_B], given.items_N[own_B], own_B)

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        """Return B ratings; with a generator, some items and some histories are struck."""
        if rows.own_B is None:
            return self._rate_asked(rows)
        users_P, place_B = torch.unique(rows.users_B, return_inverse=True)
        whole = self._rows_of(users_P)
        rated_N = self._rate_learnt(whole, self._counts_U[users_P], generator)
        if whole.own_B is None or len(rated_N) == len(rows.own_B) == 0:
            return rated_N
        # Where each asked row stands among all rows of its user.
        starts_P = self._counts_U[users_P].cumsum(0) - self._counts_U[users_P]
        first_B = self._interactions.by_user.offsets[rows.users_B]
        return gather(rated_N[:, None], starts_P[place_B] + rows.own_B - first_B)[:, 0]

    def _rate_learnt(self, rows: Rows, lengths_P: Tensor, generator: Generator | None) -> Tensor:
        """Return the ratings of all rows of some users, each left out of what predicts it."""
        count, device = len(rows.users_B), rows.users_B.device
        new_B = torch.zeros(count, dtype=torch.bool, device=device)
        silent_B = self._counts_U[rows.users_B] <= 1
        if generator is not None:
            new_B = draw(generator, self._options.id_dropout, count, device)
            silent_B = silent_B | draw(generator, self._options.history_dropout, count, device)
        items = self._item_side(rows, new_B)
        prior_B = self._rate_by_prior(rows, items, silent_B, own=1)
        residuals_B = self._interactions.ratings_N[rows.own_B] - prior_B.float()
        learnt_B = fit_without_own(items.x_BC, residuals_B, lengths_P, self._priors_C)
        return prior_B + learnt_B * ~silent_B

    def _rate_asked(self, rows: Rows) -> Tensor:
        """Return the ratings of rows that were not learnt, from whole histories."""
        users_P, place_B = torch.unique(rows.users_B.clamp(min=0), return_inverse=True)
        history = self._rows_of(users_P)
        past = self._item_side(Rows(history.users_B, history.items_B), None)
        silent_N = torch.zeros_like(history.users_B, dtype=torch.bool)
        residuals_N = self._interactions.ratings_N[history.own_B] - self._rate_by_prior(
            history, past, silent_N, own=0
        )
        solved_PC = solve_each(past.x_BC, residuals_N, self._counts_U[users_P], self._priors_C)
        items = self._item_side(rows, None)
        silent_B = rows.users_B == UNKNOWN
        prior_B = self._rate_by_prior(
            Rows(rows.users_B.clamp(min=0), rows.items_B), items, silent_B, own=0
        )
        return prior_B + (gather(solved_PC, place_B) * items.x_BC).sum(1) * ~silent_B

    def _rate_by_prior(self, rows: Rows, items: ItemSide, silent_B: Tensor, own: int) -> Tensor:
        """Return what is expected before it is known how the user rated.

        With `own` 1, the row itself is not among what the user rated; a silent row has no history.
        """
        given, prior = self._interactions, self._options.bias_prior
        that_UC = sum_read(
            self.that, given.items_N, given.by_user, given.by_item, given.users_N, None
        )
        read_BC = gather(that_UC, rows.users_B)
        level_B, count_B = self._levels_U[rows.users_B], self._counts_U[rows.users_B] - own
        if own:
            read_BC = read_BC - gather(self.that, rows.items_B)
            level_B = level_B - self._base_I[rows.items_B]
        count_B = count_B * ~silent_B
        read_BC = read_BC * ~silent_B[:, None] / (count_B + _SOFTENING).sqrt()[:, None]
        level_B = level_B * ~silent_B / (count_B + prior)
        linked_B = self.links[0] * level_B * items.newness_B
        linked_B = linked_B + self.links[1] * prior / (count_B + prior) * items.level_B
        expected_B = ((self.new_user + read_BC) * items.x_BC).sum(1)
        return self._mean + items.bias_B + expected_B + linked_B

    def _item_side(self, rows: Rows, new_B: Tensor | None) -> ItemSide:
        """Return the side of rows; a given `new_B` strikes items and leaves every own row out."""
        leave_out, items_B = new_B is not None, rows.items_B
        read_BC, level_B, count_B, base_B = self._read_raters(rows, leave_out=leave_out)
        new_B = (count_B <= 0) if new_B is None else new_B | (count_B <= 0)
        known_BC = gather(self.item, items_B) + read_BC
        known_BC = _add_linear(known_BC, self.item_levels * level_B)
        seen_IC = self._looks_IK @ self.image + self._categories_IG @ self.category
        side_BC = torch.where(new_B[:, None], self.new_item, known_BC) + gather(seen_IC, items_B)
        prior, count_B = self._options.bias_prior, count_B * ~new_B
        x_BC = torch.cat([side_BC[:, :-1], torch.ones_like(side_BC[:, :1])], dim=1)
        return ItemSide(
            x_BC,
            side_BC[:, -1],
            base_B * ~new_B / (count_B + prior),
            prior / (count_B + prior),
        )

    def _read_raters(self, rows: Rows, *, leave_out: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return g (B, C), the item's own level m, the number of raters and Σ of their biases."""
        histories, items_B = self._of_items, rows.items_B
        both_UC = torch.cat([self.user_how, self.user_that], dim=1)
        summed_IC = torch.cat(
            [histories.sum(self.user_how, weighted=True), histories.sum(both_UC, weighted=False)],
            dim=1,
        )
        by_how, how, that = gather(summed_IC, items_B).chunk(3, dim=1)
        count_B, sum_B = histories.counts_G[items_B], histories.sums_G[items_B]
        base_B = self._levels_I[items_B]
        if leave_out:
            own_how, own_that = gather(both_UC, rows.users_B).chunk(2, 1)
            residual_B = histories.residuals_N[rows.own_B]
            by_how = by_how - residual_B[:, None] * own_how
            how, that = how - own_how, that - own_that
            count_B, sum_B = count_B - 1, sum_B - residual_B
            base_B = base_B - self._base_U[rows.users_B]
        level_B = sum_B / (count_B + self._options.bias_prior)
        summed_BC = by_how - level_B[:, None] * how + that
        # Taking the own row out leaves rounding errors where nothing should be left.
        some_B = count_B > 0
        read_BC = summed_BC * some_B[:, None] / (count_B + _SOFTENING).sqrt()[:, None]
        return read_BC, level_B * some_B, count_B, base_B

    def penalty(self) -> Tensor:
        """Return Σ prior × squares, block by block; levels and links are free."""
        options = self._options
        histories = _squares(self.that) + _squares(self.user_how) + _squares(self.user_that)
        of_new = self.new_user[:-1].square().sum() + self.new_item[:-1].square().sum()
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
            "item": self.item, "new_item": self.new_item, "new_user": self.new_user,
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
        fading = [options.session_ratings, options.session_minutes * 60, options.session_prior]
        weights["session"] = np.array(fading, np.float32)
        return weights


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

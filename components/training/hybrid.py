"""The hybrid while it learns: factors, both histories and images under normal priors.

What it exports is answered from by `components.models.hybrid`, where the formula stands. A row
that is learnt from is left out of both histories that predict it: so a learnt row looks like one
that will be asked for, whose rating no history holds.

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
from components.training.ladder import fit_biases, mean_rating
from components.training.learner import Rows, draw, shuffle
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


class HistoryReader(nn.Module):
    """Σ_j [ (d_j − m) how_j + that_j ] / √(n + softening) over a history without the own row."""

    def __init__(self, readable: int, columns: int, prior: float, generator: Generator) -> None:
        super().__init__()
        self.how = nn.Parameter(torch.randn(readable, columns, generator=generator) * _START_SPREAD)
        self.that = nn.Parameter(
            torch.randn(readable, columns, generator=generator) * _START_SPREAD
        )
        self.prior = prior

    def read(
        self,
        histories: Histories,
        how_RC: Tensor,
        owners_B: Tensor,
        read_B: Tensor,
        own_B: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Return h (B, C) and the level m (B,) of the owners' histories, less the row's own."""
        summed_G3C = torch.cat(
            [
                histories.sum(how_RC, weighted=True),
                histories.sum(torch.cat([how_RC, self.that], dim=1), weighted=False),
            ],
            dim=1,
        )
        by_how, how, that = gather(summed_G3C, owners_B).chunk(3, dim=1)
        count_B, sum_B = histories.counts_G[owners_B], histories.sums_G[owners_B]
        if own_B is not None:
            own_how, own_that = gather(torch.cat([how_RC, self.that], dim=1), read_B).chunk(2, 1)
            residual_B = histories.residuals_N[own_B]
            by_how = by_how - residual_B[:, None] * own_how
            how, that = how - own_how, that - own_that
            count_B, sum_B = count_B - 1, sum_B - residual_B
        level_B = sum_B / (count_B + self.prior)
        summed_BC = by_how - level_B[:, None] * how + that
        # Taking the own row out leaves rounding errors where nothing should be left.
        read_BC = summed_BC * (count_B > 0)[:, None] / (count_B + _SOFTENING).sqrt()[:, None]
        return read_BC, level_B * (count_B > 0)

    def penalty(self) -> Tensor:
        """Return the sums of squares of factors and of linear terms."""
        return _squares(self.how) + _squares(self.that)


class HybridLearner(nn.Module):
    """MAP estimate with a normal prior for each block of parameters (families.hybrid.*_prior).

    ID dropout strikes a row's user or item: the learnt prior of unknown ones takes its place. A
    struck item loses its history too, for an item that nobody rated has none; a struck user loses
    it in half of the cases, for the endpoint meets new users with and without one.
    """

    def __init__(
        self,
        book: UserBook,
        interactions: Interactions,
        looks_IK: Tensor,
        options: Hybrid,
        generator: Generator,
    ) -> None:
        super().__init__()
        self._options, self._mean = options, float(mean_rating(book))
        self._interactions = interactions
        self._looks_IK = looks_IK
        device = looks_IK.device
        bias_U, bias_I = fit_biases(book, interactions.items, options.bias_prior)
        self._base_U = torch.from_numpy(bias_U).to(device)
        self._base_I = torch.from_numpy(bias_I).to(device)
        self._rated_I = interactions.by_item.offsets.diff() > 0
        self._of_users, self._of_items = self._histories(interactions)
        users, items, columns = interactions.users, interactions.items, options.factors + 1
        self.user = nn.Parameter(_start(users, columns, generator))
        self.item = nn.Parameter(_start(items, columns, generator))
        self.new_user = nn.Parameter(torch.zeros(columns))
        self.new_item = nn.Parameter(torch.zeros(columns))
        self.reads_items = HistoryReader(items, columns, options.bias_prior, generator)
        self.reads_users = HistoryReader(users, columns, options.bias_prior, generator)
        self.image = nn.Parameter(torch.zeros(looks_IK.shape[1], columns))
        self.image_how = nn.Parameter(torch.zeros(looks_IK.shape[1], columns))
        self.user_levels = nn.Parameter(torch.tensor([0.0, 1.0]))  # of known and of new users
        self.item_levels = nn.Parameter(torch.zeros(1))
        self.to(device)

    def _histories(self, interactions: Interactions) -> tuple[Histories, Histories]:
        users_N, items_N = interactions.users_N, interactions.items_N
        centred_N = interactions.ratings_N - self._mean
        by_user, by_item = interactions.by_user, interactions.by_item
        of_users = Histories.of(
            by_user, by_item, users_N, items_N, centred_N - self._base_I[items_N]
        )
        of_items = Histories.of(
            by_item, by_user, items_N, users_N, centred_N - self._base_U[users_N]
        )
        return of_users, of_items

    def batches(self, generator: Generator) -> Iterator[Rows]:
        """Yield all rows, shuffled."""
        return shuffle(self._interactions, self._options.batches, generator)

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        """Return B ratings; with a generator, some users and items are struck as unknown."""
        new_user_B, no_history_B, new_item_B = self._strike(rows, generator)
        users_B = rows.users_B.clamp(min=0)
        user_BC = self._user_side(users_B, rows, new_user_B, no_history_B)
        item_BC = self._item_side(users_B, rows, new_item_B)
        dots_B = (user_BC[:, :-1] * item_BC[:, :-1]).sum(1)
        return self._mean + user_BC[:, -1] + item_BC[:, -1] + dots_B

    def _strike(self, rows: Rows, generator: Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        new_user_B = rows.users_B == UNKNOWN
        new_item_B = ~self._rated_I[rows.items_B]
        if generator is None:
            return new_user_B, new_user_B, new_item_B
        share, count, device = self._options.id_dropout, len(rows.users_B), new_user_B.device
        struck_B = draw(generator, share, count, device)
        no_history_B = struck_B & draw(generator, self._options.history_dropout, count, device)
        return struck_B, no_history_B, draw(generator, share, count, device)

    def _user_side(
        self, users_B: Tensor, rows: Rows, new_B: Tensor, no_history_B: Tensor
    ) -> Tensor:
        how_IC = self.reads_items.how + self._looks_IK @ self.image_how
        read_BC, level_B = self.reads_items.read(
            self._of_users, how_IC, users_B, rows.items_B, rows.own_B
        )
        level_B = level_B * torch.where(new_B, self.user_levels[1], self.user_levels[0])
        read_BC = _add_linear(read_BC, level_B)
        ids_BC = torch.where(new_B[:, None], self.new_user, gather(self.user, users_B))
        return ids_BC + read_BC * ~no_history_B[:, None]

    def _item_side(self, users_B: Tensor, rows: Rows, new_B: Tensor) -> Tensor:
        read_BC, level_B = self.reads_users.read(
            self._of_items, self.reads_users.how, rows.items_B, users_B, rows.own_B
        )
        read_BC = _add_linear(read_BC, level_B * self.item_levels)
        ids_BC = torch.where(new_B[:, None], self.new_item, gather(self.item, rows.items_B))
        looks_BC = gather(self._looks_IK @ self.image, rows.items_B)
        return ids_BC + looks_BC + read_BC * ~new_B[:, None]

    def penalty(self) -> Tensor:
        """Return Σ prior × squares, block by block; levels and the means of new ones are free."""
        options = self._options
        ids = _squares(self.user) + _squares(self.item)
        histories = self.reads_items.penalty() + self.reads_users.penalty()
        images = _squares(self.image)
        weights = torch.tensor(
            [
                [options.factor_prior, options.bias_prior],
                [options.history_prior, options.history_bias_prior],
                [options.image_prior, options.image_bias_prior],
            ],
            device=ids.device,
        )
        of_new = self.new_user[:-1].square().sum() + self.new_item[:-1].square().sum()
        of_how = self.image_how.square().sum()
        return (
            (torch.stack([ids, histories, images]) * weights).sum()
            + options.factor_prior * of_new
            + options.image_history_prior * of_how
        )

    def module(self) -> nn.Module:
        """Return itself."""
        return self

    def export(self) -> Weights:
        """Return everything that `components.models.hybrid` reads, but for the image statistics."""
        tensors = {
            "user": self.user, "item": self.item,
            "new_user": self.new_user, "new_item": self.new_item,
            "item_how": self.reads_items.how, "item_that": self.reads_items.that,
            "user_how": self.reads_users.how, "user_that": self.reads_users.that,
            "image": self.image, "image_how": self.image_how,
            "user_levels": self.user_levels, "item_levels": self.item_levels,
            "user_base": self._base_U, "item_base": self._base_I,
        }  # fmt: skip
        weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
        weights["mean"] = np.array([self._mean], np.float32)
        weights["softening"] = np.array([_SOFTENING], np.float32)
        weights["level_priors"] = np.array([self._options.bias_prior] * 2, np.float32)
        return weights


def _start(rows: int, columns: int, generator: Generator) -> Tensor:
    table_RC = torch.randn(rows, columns, generator=generator) * _START_SPREAD
    table_RC[:, -1] = 0
    return table_RC


def _squares(table_RC: Tensor) -> Tensor:
    """Return Σ of squares of the factors and of the linear terms: (2,)."""
    return torch.stack([table_RC[:, :-1].square().sum(), table_RC[:, -1].square().sum()])


def _add_linear(read_BC: Tensor, linear_B: Tensor) -> Tensor:
    return torch.cat([read_BC[:, :-1], read_BC[:, -1:] + linear_B[:, None]], dim=1)

"""Ratings as tensors, and the two sums over them that learning needs, quick and repeatable.

Dimension letters: N ratings, B rows of a batch, G groups (users or items), R things read (the
other side), D columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import embedding_bag

from components.models.catalogue import UserBook


@dataclass(frozen=True)
class Groups:
    """Which rows belong to each of G groups: group g has `rows_N[offsets[g]:offsets[g + 1]]`."""

    rows_N: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, codes_N: Tensor, groups: int) -> "Groups":
        """Group rows by their code, rows in rising order inside a group."""
        rows_N = torch.argsort(codes_N, stable=True)
        offsets = torch.zeros(groups + 1, dtype=torch.int64, device=codes_N.device)
        offsets[1:] = torch.bincount(codes_N, minlength=groups).cumsum(0)
        return cls(rows_N, offsets)

    def sum(self, values_ND: Tensor, weights_N: Tensor | None = None) -> Tensor:
        """Return Σ weight × value over each group's rows: (G, D)."""
        return embedding_bag(
            self.rows_N,
            values_ND,
            self.offsets,
            mode="sum",
            include_last_offset=True,
            per_sample_weights=None if weights_N is None else weights_N[self.rows_N],
        )


@dataclass(frozen=True)
class Interactions:
    """N ratings of U users for I items, as a sparse matrix that sums quickly either way."""

    users_N: Tensor
    items_N: Tensor
    ratings_N: Tensor
    times_N: Tensor
    by_user: Groups
    by_item: Groups

    @property
    def users(self) -> int:
        """Return U."""
        return len(self.by_user.offsets) - 1

    @property
    def items(self) -> int:
        """Return I."""
        return len(self.by_item.offsets) - 1

    def __len__(self) -> int:
        return len(self.ratings_N)

    @classmethod
    def from_book(cls, book: UserBook, items: int, device: str) -> "Interactions":
        """Put a UserBook's ratings on a device, in the book's order."""
        counts_U = np.diff(book.offsets)
        users_N = torch.from_numpy(np.repeat(np.arange(len(book)), counts_U)).to(device)
        items_N = torch.from_numpy(book.items_N.copy()).to(device)
        return cls(
            users_N,
            items_N,
            torch.from_numpy(book.ratings_N.copy()).to(device),
            torch.from_numpy(book.times_N.copy()).to(device),
            Groups.of(users_N, len(book)),
            Groups.of(items_N, items),
        )


def gather(table_GD: Tensor, codes_B: Tensor, groups: Groups | None = None) -> Tensor:
    """Return `table_GD[codes_B]`; its gradient is summed in the same order every time.

    `groups` are those of the codes, where they are known already: to find them takes a sort.
    """
    gathered: Tensor = _Gather.apply(table_GD, codes_B, groups)
    return gathered


@dataclass(frozen=True)
class _Bags:
    """Of each group the rows of a table to add up, and their weights."""

    codes_N: Tensor
    offsets: Tensor
    weights_N: Tensor | None

    @classmethod
    def of(cls, codes_N: Tensor, groups: Groups, weights_N: Tensor | None) -> "_Bags":
        rows_N = groups.rows_N
        weights_N = None if weights_N is None else weights_N[rows_N]
        return cls(codes_N[rows_N], groups.offsets, weights_N)

    def sum(self, table: Tensor) -> Tensor:
        return embedding_bag(
            self.codes_N,
            table,
            self.offsets,
            mode="sum",
            include_last_offset=True,
            per_sample_weights=self.weights_N,
        )


@dataclass(frozen=True)
class Readings:
    """What each of G owners read among R things: a sparse matrix (G, R), beside its transpose.

    The gradient of a sum is the same sum the other way round.
    """

    _owned: _Bags
    _read: _Bags

    @classmethod
    def of_users(cls, given: Interactions) -> "Readings":
        """Return the items that each user rated."""
        return cls(
            _Bags.of(given.items_N, given.by_user, None),
            _Bags.of(given.users_N, given.by_item, None),
        )

    @classmethod
    def of_items(cls, given: Interactions, weights_N: Tensor | None = None) -> "Readings":
        """Return the users who rated each item, perhaps with a weight for each rating."""
        return cls(
            _Bags.of(given.users_N, given.by_item, weights_N),
            _Bags.of(given.items_N, given.by_user, weights_N),
        )

    def sum(self, table_RD: Tensor) -> Tensor:
        """Return, for each owner, Σ weight × the table's row of what it read: (G, D)."""
        summed: Tensor = _SumRead.apply(table_RD, self)
        return summed

    def sum_back(self, table_GD: Tensor) -> Tensor:
        """Return, for each thing, Σ weight × the table's row of who read it: (R, D)."""
        return self._read.sum(table_GD)

    def sum_forth(self, table_RD: Tensor) -> Tensor:
        """Return `sum` without its gradient."""
        return self._owned.sum(table_RD)


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, table_GD: Tensor, codes_B: Tensor, groups: Groups | None) -> Tensor:
        ctx.save_for_backward(codes_B)
        ctx.count, ctx.groups = len(table_GD), groups
        return table_GD.index_select(0, codes_B)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (codes_B,) = ctx.saved_tensors
        groups = Groups.of(codes_B, ctx.count) if ctx.groups is None else ctx.groups
        return groups.sum(gradients[0].float().contiguous()), None, None


class _SumRead(Function):
    @staticmethod
    def forward(ctx: Any, table_RD: Tensor, readings: Readings) -> Tensor:
        ctx.readings = readings
        return readings.sum_forth(table_RD.float())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.readings.sum_back(gradients[0].float().contiguous()), None

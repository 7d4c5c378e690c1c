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


def gather(table_GD: Tensor, codes_B: Tensor) -> Tensor:
    """Return `table_GD[codes_B]`; its gradient is summed in the same order every time."""
    gathered: Tensor = _Gather.apply(table_GD, codes_B)
    return gathered


def sum_read(
    table_RD: Tensor,
    read_N: Tensor,
    owner: Groups,
    reader: Groups,
    owners_N: Tensor,
    weights_N: Tensor | None,
) -> Tensor:
    """Return, for each owner, Σ weight × the table's row of what it read: (G, D).

    `owner` groups the ratings by who read, `reader` by what was read; both are needed because the
    gradient is the same sum the other way round.
    """
    summed: Tensor = _SumRead.apply(table_RD, read_N, owner, reader, owners_N, weights_N)
    return summed


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, table_GD: Tensor, codes_B: Tensor) -> Tensor:
        ctx.save_for_backward(codes_B)
        ctx.groups = len(table_GD)
        return table_GD[codes_B]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (codes_B,) = ctx.saved_tensors
        return Groups.of(codes_B, ctx.groups).sum(gradients[0].float().contiguous()), None


class _SumRead(Function):
    @staticmethod
    def forward(
        ctx: Any,
        table_RD: Tensor,
        read_N: Tensor,
        owner: Groups,
        reader: Groups,
        owners_N: Tensor,
        weights_N: Tensor | None,
    ) -> Tensor:
        ctx.reader, ctx.owners_N, ctx.weights_N = reader, owners_N, weights_N
        return _sum_table(table_RD.float(), read_N, owner, weights_N)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        gradient_GD = gradients[0].float().contiguous()
        back = _sum_table(gradient_GD, ctx.owners_N, ctx.reader, ctx.weights_N)
        return back, None, None, None, None, None


def _sum_table(table: Tensor, codes_N: Tensor, groups: Groups, weights_N: Tensor | None) -> Tensor:
    rows_N = groups.rows_N
    return embedding_bag(
        codes_N[rows_N],
        table,
        groups.offsets,
        mode="sum",
        include_last_offset=True,
        per_sample_weights=None if weights_N is None else weights_N[rows_N],
    )

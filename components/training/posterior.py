"""Ridge regressions of many users at once, each row also predicted as if it had not been seen.

Dimension letters: N rows, G owners, C columns, P owners of one block, L rows of its longest owner,
Q places of all blocks, filled or empty.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


@dataclass(frozen=True)
class Block:
    """Owners of about the same length, each with L places, all one after the other."""

    owners_P: Tensor
    longest: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return (P, L)."""
        return len(self.owners_P), self.longest


@dataclass(frozen=True)
class Layout:
    """Where rows stand in blocks; rows of one owner follow one another, `lengths_G` of them.

    `rows_Q` is the row at each place, N where it is empty; `places_N` is each row's place.
    """

    blocks: tuple[Block, ...]
    rows_Q: Tensor
    places_N: Tensor
    owners: int

    @classmethod
    def of(cls, lengths_G: Tensor) -> "Layout":
        """Lay out owners in blocks; filled up to a power of two, less than half is empty."""
        starts_G, total = lengths_G.cumsum(0) - lengths_G, int(lengths_G.sum())
        powers_G = torch.ceil(torch.log2(lengths_G.clamp(min=1).double())).long()
        blocks, rows = [], [lengths_G.new_zeros(0)]
        for power in torch.unique(powers_G).tolist():
            owners_P = torch.nonzero((powers_G == power) & (lengths_G > 0))[:, 0]
            if not len(owners_P):
                continue
            longest = int(lengths_G[owners_P].max())
            columns_L = torch.arange(longest, device=lengths_G.device)
            rows_PL = starts_G[owners_P][:, None] + columns_L
            rows_PL = torch.where(columns_L < lengths_G[owners_P][:, None], rows_PL, total)
            blocks.append(Block(owners_P, longest))
            rows.append(rows_PL.flatten())
        rows_Q = torch.cat(rows)
        filled_Q = torch.nonzero(rows_Q < total)[:, 0]
        places_N = torch.empty(total, dtype=torch.int64, device=lengths_G.device)
        places_N[rows_Q[filled_Q]] = filled_Q
        return cls(tuple(blocks), rows_Q, places_N, len(lengths_G))

    def spread(self, values_NC: Tensor) -> Tensor:
        """Return rows at their places (Q, C), zeros where it is empty."""
        spread: Tensor = _Spread.apply(values_NC, self.rows_Q, self.places_N)
        return spread

    def collect(self, values_Q: Tensor) -> Tensor:
        """Return the values (N,) at the rows' places."""
        collected: Tensor = _Collect.apply(values_Q[:, None], self.rows_Q, self.places_N)
        return collected[:, 0]


def solve_each(x_NC: Tensor, residuals_N: Tensor, layout: Layout, priors_C: Tensor) -> Tensor:
    """Return (G, C), each owner's w that minimises Σ (residual − ⟨w, x⟩)² + Σ prior × w².

    An owner without rows gets zeros.
    """
    solved_GC = x_NC.new_zeros(layout.owners, x_NC.shape[1])
    for block, x_PLC, residuals_PL1 in _take(x_NC, residuals_N, layout):
        inverse_PCC = _invert(x_PLC, priors_C)
        solved_PC1 = inverse_PCC @ (x_PLC.transpose(1, 2) @ residuals_PL1)
        solved_GC[block.owners_P] = solved_PC1[:, :, 0]
    return solved_GC


def fit_without_own(x_NC: Tensor, residuals_N: Tensor, layout: Layout, priors_C: Tensor) -> Tensor:
    """Return (N,), what each row's owner would predict for it from all the owner's other rows.

    With the fitted value f and the leverage h, it is (f − h r) / (1 − h): Allen (1974), "The
    relationship between variable selection and data augmentation and a method for prediction".
    """
    parts = [residuals_N.new_zeros(0)]
    for _, x_PLC, residuals_PL1 in _take(x_NC, residuals_N, layout):
        weighed_PLC = x_PLC @ _invert(x_PLC, priors_C)
        fitted_PL1 = weighed_PLC @ (x_PLC.transpose(1, 2) @ residuals_PL1)
        leverage_PL1 = (weighed_PLC * x_PLC).sum(2, keepdim=True)
        # Below one by the priors, but for rounding.
        left_PL1 = (1 - leverage_PL1).clamp(min=1e-4)
        parts.append(((fitted_PL1 - leverage_PL1 * residuals_PL1) / left_PL1).flatten())
    return layout.collect(torch.cat(parts))


def _take(
    x_NC: Tensor, residuals_N: Tensor, layout: Layout
) -> Iterator[tuple[Block, Tensor, Tensor]]:
    """Yield the blocks with their rows, in float32, zeros where a block is empty."""
    x_QC = layout.spread(x_NC.float())
    residuals_Q1 = layout.spread(residuals_N.float()[:, None])
    sizes = [math.prod(block.shape) for block in layout.blocks]
    parts = zip(layout.blocks, x_QC.split(sizes), residuals_Q1.split(sizes), strict=True)
    for block, x_BC, residuals_B1 in parts:
        yield block, x_BC.unflatten(0, block.shape), residuals_B1.unflatten(0, block.shape)


def _invert(x_PLC: Tensor, priors_C: Tensor) -> Tensor:
    # By the priors it always has a factor, unless numbers blew up: then the loop says so.
    normal_PCC = x_PLC.transpose(1, 2) @ x_PLC + torch.diag(priors_C.float())
    return torch.cholesky_inverse(torch.linalg.cholesky_ex(normal_PCC)[0])


def _put(values_NC: Tensor, rows_Q: Tensor) -> Tensor:
    return torch.cat([values_NC, values_NC.new_zeros(1, values_NC.shape[1])]).index_select(
        0, rows_Q
    )


class _Spread(Function):
    """Each row has one place, so the gradient is a look-up, and no sum whose order matters."""

    @staticmethod
    def forward(ctx: Any, values_NC: Tensor, rows_Q: Tensor, places_N: Tensor) -> Tensor:
        ctx.save_for_backward(places_N)
        return _put(values_NC, rows_Q)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (places_N,) = ctx.saved_tensors
        return gradients[0].index_select(0, places_N), None, None


class _Collect(Function):
    @staticmethod
    def forward(ctx: Any, values_QC: Tensor, rows_Q: Tensor, places_N: Tensor) -> Tensor:
        ctx.save_for_backward(rows_Q)
        return values_QC.index_select(0, places_N)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (rows_Q,) = ctx.saved_tensors
        return _put(gradients[0], rows_Q), None, None

"""Ridge regressions of many users at once, each row also predicted as if it had not been seen.

Dimension letters: N rows, G owners, C columns, P owners of one block, L the most rows of one.
"""

import torch
from torch import Tensor

from components.training.tensors import gather


def solve_each(x_NC: Tensor, residuals_N: Tensor, lengths_G: Tensor, priors_C: Tensor) -> Tensor:
    """Return (G, C), each owner's w that minimises Σ (residual − ⟨w, x⟩)² + Σ prior × w².

    Rows of one owner follow one another, `lengths_G` of them. An owner without rows gets zeros.
    """
    solved_GC = x_NC.new_zeros(len(lengths_G), x_NC.shape[1])
    for owners_P, places_PL, rows_PL in _blocks(lengths_G):
        x_PLC, residuals_PL = _take(x_NC, residuals_N, places_PL, rows_PL)
        factor_PCC = _factor(x_PLC, priors_C)
        solved_GC[owners_P] = _solve(factor_PCC, x_PLC, residuals_PL)
    return solved_GC


def fit_without_own(
    x_NC: Tensor, residuals_N: Tensor, lengths_G: Tensor, priors_C: Tensor
) -> Tensor:
    """Return (N,), what each row's owner would predict for it from all the owner's other rows.

    The rows stand as in `solve_each`. With the fitted value f and the leverage h, it is
    (f − h r) / (1 − h): Allen (1974), "The relationship between variable selection and data
    augmentation and a method for prediction".
    """
    parts, order = [], []
    for _, places_PL, rows_PL in _blocks(lengths_G):
        x_PLC, residuals_PL = _take(x_NC, residuals_N, places_PL, rows_PL)
        factor_PCC = _factor(x_PLC, priors_C)
        solved_PC = _solve(factor_PCC, x_PLC, residuals_PL)
        half_PCL = torch.linalg.solve_triangular(factor_PCC, x_PLC.transpose(1, 2), upper=False)
        leverage_PL = half_PCL.square().sum(1)
        fitted_PL = (x_PLC @ solved_PC[:, :, None])[:, :, 0]
        # Below one by the priors, but for rounding.
        without_PL = (fitted_PL - leverage_PL * residuals_PL) / (1 - leverage_PL).clamp(min=1e-4)
        parts.append(without_PL[rows_PL])
        order.append(places_PL[rows_PL])
    if not parts:
        return residuals_N.new_zeros(0)
    return gather(torch.cat(parts)[:, None], torch.argsort(torch.cat(order)))[:, 0]


def _blocks(lengths_G: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return owners of about the same length together: (owners, places of their rows, which are).

    Lengths are filled up to the longest of a power of two, so less than half is empty.
    """
    starts_G = lengths_G.cumsum(0) - lengths_G
    powers_G = torch.ceil(torch.log2(lengths_G.clamp(min=1).double())).long()
    blocks = []
    for power in torch.unique(powers_G).tolist():
        owners_P = torch.nonzero((powers_G == power) & (lengths_G > 0))[:, 0]
        if len(owners_P):
            longest = int(lengths_G[owners_P].max())
            columns_L = torch.arange(longest, device=lengths_G.device)
            rows_PL = columns_L < lengths_G[owners_P][:, None]
            blocks.append((owners_P, starts_G[owners_P][:, None] + columns_L, rows_PL))
    return blocks


def _take(
    x_NC: Tensor, residuals_N: Tensor, places_PL: Tensor, rows_PL: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the blocks' rows, in float32, zeros where a block is empty."""
    empty = len(x_NC)
    both_NC = torch.cat([x_NC.float(), residuals_N.float()[:, None]], dim=1)
    padded_NC = torch.cat([both_NC, both_NC.new_zeros(1, both_NC.shape[1])])
    taken_BC = gather(padded_NC, torch.where(rows_PL, places_PL, empty).flatten())
    taken_PLC = taken_BC.view(*rows_PL.shape, -1)
    return taken_PLC[:, :, :-1], taken_PLC[:, :, -1]


def _factor(x_PLC: Tensor, priors_C: Tensor) -> Tensor:
    # By the priors it always has a factor, unless numbers blew up: then the loop says so.
    normal_PCC = x_PLC.transpose(1, 2) @ x_PLC + torch.diag(priors_C.float())
    return torch.linalg.cholesky_ex(normal_PCC)[0]


def _solve(factor_PCC: Tensor, x_PLC: Tensor, residuals_PL: Tensor) -> Tensor:
    seen_PC1 = x_PLC.transpose(1, 2) @ residuals_PL[:, :, None]
    return torch.cholesky_solve(seen_PC1, factor_PCC)[:, :, 0]

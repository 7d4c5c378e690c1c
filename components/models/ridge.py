"""A user's side solved for when asked: ridge regression of the ratings on the items' vectors."""

from collections.abc import Sequence

import numpy as np

from components.models.catalogue import UNKNOWN, Floats
from components.models.protocol import Asker


def stack_priors(bias_prior: float, factor_prior: float, width: int) -> np.ndarray:
    """Return the penalties of a solution (D + 1,): the vector's, and last the bias's."""
    return np.append(np.full(width, float(factor_prior)), float(bias_prior))


def stack_blocks(sizes: Sequence[int], priors: Sequence[float]) -> np.ndarray:
    """Return each block's prior, as often as the block has columns."""
    return np.repeat(np.asarray(priors, np.float64), sizes)


def solve_ridge(vectors_ND: Floats, residuals_N: Floats, priors_D1: np.ndarray) -> np.ndarray:
    """Return the (D + 1,) that minimises Σ (residual − ⟨p, vector⟩ − b)² + λ_p |p|² + λ_b b².

    The last entry is the bias. No rating gives zeros. Hoerl and Kennard (1970), "Ridge regression".
    """
    if not len(residuals_N):
        return np.zeros(len(priors_D1))
    x_ND1 = np.concatenate([vectors_ND, np.ones((len(vectors_ND), 1))], axis=1)
    normal = x_ND1.T @ x_ND1 + np.diag(priors_D1)
    return np.linalg.solve(normal, x_ND1.T @ residuals_N)


def path_of(asker: Asker) -> str:
    """Return what a side rests on that is solved for from a history."""
    if not len(asker.history):
        return "prior"
    return "history" if asker.user == UNKNOWN else "factors"

"""Items and queries in few dimensions that keep their inner products, for an index to work in.

Dimension letters as in `components.models`, and Q queries, R dimensions that are kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from components.models.catalogue import Floats

# The items, some at once and from the first again at every call: a large catalogue's looks of
# length 1 would not fit into memory a second time.
Blocks = Callable[[], Iterator[Floats]]

_ROWS = 16_384
# The share of the queries' mean square that is added in every direction, so that one in which no
# sampled query points still counts for something.
_RIDGE = 1e-4
# As many numbers as faiss multiplies at once; where a few are left over it takes all one by one,
# five times as long.
_LANES = 8


@dataclass(frozen=True)
class Projection:
    """⟨x, q⟩ is about ⟨(x − mean) I, q Q⟩, but for a number that is the same for all items x.

    So a query keeps its order of the items.
    """

    mean_D: Floats
    items_DR: Floats
    queries_DR: Floats

    def project_items(self, items: Blocks) -> Floats:
        """Return the items' few dimensions (I, R)."""
        projected = [(block - self.mean_D) @ self.items_DR for block in items()]
        return np.concatenate(projected).astype(np.float32)


def cut(items: int, block: Callable[[slice], Floats]) -> Blocks:
    """Return the blocks of so many items; `block` returns the items of a slice."""

    def blocks() -> Iterator[Floats]:
        for start in range(0, items, _ROWS):
            yield block(slice(start, min(start + _ROWS, items)))

    return blocks


def fit_to_queries(items: Blocks, queries_QD: Floats, width: int) -> Projection:
    """Return the projection to `width` dimensions that errs least on queries such as these.

    With C the queries' mean of q qᵀ, the mean square of an error ⟨x − x', q⟩ over the queries is
    the squared length of C^½ (x − x'): so these are the principal components of the items after
    C^½, and two items are near each other where users tell them apart little. In the items' own
    metric they are not: columns that no user weighs may be the largest.
    """
    second_DD = queries_QD.T.astype(np.float64) @ queries_QD / max(len(queries_QD), 1)
    values_D, vectors_DD = np.linalg.eigh(second_DD)
    values_D = np.maximum(values_D, 0) + _RIDGE * max(float(np.trace(second_DD)), 1e-12)
    root_DD = (vectors_DD * np.sqrt(values_D)) @ vectors_DD.T
    inverse_DD = (vectors_DD / np.sqrt(values_D)) @ vectors_DD.T
    mean_D, covariance_DD = _moments(items)
    axes_DR = _principal(root_DD @ covariance_DD @ root_DD, width)
    return Projection(mean_D, _round(root_DD @ axes_DR), _round(inverse_DD @ axes_DR))


def fit_to_items(items: Blocks, width: int) -> Projection:
    """Return the items' principal components, for queries that are items like them."""
    mean_D, covariance_DD = _moments(items)
    axes_DR = _round(_principal(covariance_DD, width))
    return Projection(mean_D, axes_DR, axes_DR)


def _moments(items: Blocks) -> tuple[Floats, np.ndarray]:
    """Return the items' mean and covariance."""
    count, sum_D = 0, np.float64(0)
    for block in items():
        count, sum_D = count + len(block), sum_D + block.sum(0, dtype=np.float64)
    mean_D = np.asarray(sum_D / count, np.float32)
    squares_DD = np.zeros((len(mean_D), len(mean_D)))
    for block in items():
        centred = block - mean_D
        squares_DD += centred.T @ centred
    return mean_D, squares_DD / count


def _principal(covariance_DD: np.ndarray, width: int) -> np.ndarray:
    """Return the first directions (D, R), and zeros up to a width that is quick to multiply."""
    axes_DR = np.linalg.eigh(covariance_DD)[1][:, ::-1][:, :width]
    return np.pad(axes_DR, ((0, 0), (0, -axes_DR.shape[1] % _LANES)))


def _round(matrix: np.ndarray) -> Floats:
    return np.ascontiguousarray(matrix, np.float32)

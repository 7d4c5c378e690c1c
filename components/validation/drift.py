"""Drift: how far each batch lies from everything before it, feature by feature."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.psi import psi as compare_counts

Reals = npt.NDArray[np.floating]

_BINS = 10
# A batch spans a shorter time than all before it, so how much each user rated always differs:
# that is told, but not held against it.
JUDGED = ("rating", "brightness", "contrast")
COLUMNS = ("batch", "feature", "rows", "rows_before", "psi")


def psi(expected: Reals, actual: Reals) -> float:
    """Return the population stability index of two samples, 0 where they are distributed alike.

    Counted in bins: ten between the deciles of `expected` (fewer where values repeat), and one on
    either side for what `expected` never held. Values that are not finite are left out; an empty
    sample on either side gives 0.
    """
    expected, actual = expected[np.isfinite(expected)], actual[np.isfinite(actual)]
    if not len(expected) or not len(actual):
        return 0.0
    # A value that equals an edge belongs to its left: so the least value needs one just below it.
    deciles = np.quantile(expected, np.linspace(0, 1, _BINS + 1), method="lower")
    edges = np.unique([np.nextafter(deciles[0], -np.inf), *deciles])
    return float(compare_counts(_count(expected, edges), _count(actual, edges)))


def _count(values: Reals, edges: Reals) -> Reals:
    bins = np.searchsorted(edges, values, side="left")
    return np.bincount(bins, minlength=len(edges) + 1).astype(np.float64)


def compare_batches(
    ratings: pd.DataFrame, images: pd.DataFrame, batches: int, min_rows: int
) -> pd.DataFrame:
    """Return the PSI of each batch and feature that has `min_rows` rows there and before.

    `ratings` has rating, user_id and batch; `images` brightness, contrast and batch; `batch` is
    an ordinal below `batches`. The first batch has nothing before it, so it has no row.
    """
    users = ratings.groupby(["batch", "user_id"], as_index=False).size()
    features = (
        ("rating", ratings, "rating"),
        ("ratings_per_user", users, "size"),
        ("brightness", images, "brightness"),
        ("contrast", images, "contrast"),
    )
    rows = []
    for batch in range(1, batches):
        for feature, frame, column in features:
            values = frame[column].to_numpy(np.float64)
            ordinals = frame["batch"].to_numpy(np.int64)
            now, before = values[ordinals == batch], values[ordinals < batch]
            if min(len(now), len(before)) >= min_rows:
                rows.append((batch, feature, len(now), len(before), psi(before, now)))
    return pd.DataFrame(rows, columns=list(COLUMNS))

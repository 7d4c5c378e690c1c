"""Which test rows are alike: warm or cold, by category, by how much is known, by age."""

import numpy as np
import pandas as pd

from components.models.bundle import Bundle
from components.models.catalogue import UNKNOWN, Bools

_NO_CATEGORY = "none"


def slice_rows(
    test: pd.DataFrame, bundle: Bundle, *, categories: int, few: int
) -> dict[str, Bools]:
    """Return which of the N test rows belong to each slice, in a fixed order; a row is in many.

    `cold_user` and `cold_item` were never rated in training, `warm` is neither; `few_ratings`
    are known users with at most `few` ratings in training; `early` and `late` halve the test
    rows by time. Empty slices are left out.
    """
    users_N = bundle.users.find(test["user_id"].tolist())
    items_N = bundle.catalogue.find(test["item_id"].tolist())
    counts_U = np.append(np.diff(bundle.users.offsets), 0)  # the last is for UNKNOWN
    rated_I = np.append(np.bincount(bundle.users.items_N, minlength=len(bundle.catalogue)), 0)
    cold_user, cold_item = users_N == UNKNOWN, rated_I[items_N] == 0
    few_N = ~cold_user & (counts_U[users_N] <= few)
    late_N = _is_late(test["timestamp"].to_numpy())
    slices = {
        "all": np.ones(len(test), bool),
        "warm": ~cold_user & ~cold_item,
        "cold_user": cold_user,
        "cold_item": cold_item,
        "few_ratings": few_N,
        "many_ratings": ~cold_user & ~few_N,
        "early": ~late_N,
        "late": late_N,
        **_by_category(bundle.catalogue.items, items_N, categories),
    }
    return {name: rows for name, rows in slices.items() if rows.any()}


def _is_late(times_N: np.ndarray) -> Bools:
    if not len(times_N):
        return np.zeros(0, bool)
    return times_N > np.sort(times_N)[(len(times_N) - 1) // 2]


def _by_category(items: pd.DataFrame, items_N: np.ndarray, largest: int) -> dict[str, Bools]:
    first = items["category"].astype(str).str.split("|").str[0].replace("", _NO_CATEGORY)
    category_N = np.append(first.to_numpy(dtype=object), _NO_CATEGORY)[items_N]
    # Largest first, ties by name, so that the order never depends on chance.
    counts = pd.Series(category_N).value_counts().rename_axis("name").reset_index(name="rows")
    counts = counts.sort_values(["rows", "name"], ascending=[False, True])
    return {f"category {name}": category_N == name for name in counts["name"][:largest]}

"""Which test rows are alike: warm or cold, by how much is known, by recency, by category.

One definition, for the evaluation's report, for the families side by side and for the gate.
"""

import numpy as np
import pandas as pd

from components.models.bundle import Bundle
from components.models.catalogue import UNKNOWN, Bools, Ints

EVERY_ROW = "all"
CATEGORIES = 6  # the largest ones
FEW_RATINGS = 20  # of a user, in training

_BY_CATEGORY = "category"
_NO_CATEGORY = "none"


def slice_rows(
    test: pd.DataFrame,
    bundle: Bundle,
    *,
    categories: int = CATEGORIES,
    few: int = FEW_RATINGS,
) -> dict[str, Bools]:
    """Return which of the N test rows belong to each slice, in a fixed order; a row is in many.

    `cold_user` and `cold_item` were never rated in training, `warm` is neither; `few_ratings`
    are known users with at most `few` ratings in training. `recent_item` and `old_item` halve
    the rows of known items by how long before the item was first rated in training; `early` and
    `late` halve the test rows by time. Empty slices are left out.
    """
    users_N = bundle.users.find(test["user_id"].tolist())
    items_N = bundle.catalogue.find(test["item_id"].tolist())
    counts_U = np.append(np.diff(bundle.users.offsets), 0)  # the last is for UNKNOWN
    rated_I = np.append(np.bincount(bundle.users.items_N, minlength=len(bundle.catalogue)), 0)
    cold_user, cold_item = users_N == UNKNOWN, rated_I[items_N] == 0
    few_N = ~cold_user & (counts_U[users_N] <= few)
    times_N = test["timestamp"].to_numpy(np.int64)
    late_N = times_N > _middle(times_N)
    ages_N = times_N - _first_rated(bundle)[items_N]
    old_N = ages_N > _middle(ages_N[~cold_item])
    slices = {
        EVERY_ROW: np.ones(len(test), bool),
        "warm": ~cold_user & ~cold_item,
        "cold_user": cold_user,
        "cold_item": cold_item,
        "few_ratings": few_N,
        "many_ratings": ~cold_user & ~few_N,
        "recent_item": ~cold_item & ~old_N,
        "old_item": ~cold_item & old_N,
        "early": ~late_N,
        "late": late_N,
        **_by_category(bundle.catalogue.items, items_N, categories),
    }
    return {name: rows for name, rows in slices.items() if rows.any()}


def kind_of(name: str) -> str:
    """Return the kind of slice that a name is of: every category is of the kind `category`."""
    return _BY_CATEGORY if name.startswith(f"{_BY_CATEGORY} ") else name


def _middle(values_N: Ints) -> int:
    """Return the value that at most half of the values lie above; 0 of none."""
    return int(np.sort(values_N)[(len(values_N) - 1) // 2]) if len(values_N) else 0


def _first_rated(bundle: Bundle) -> Ints:
    """Return when each item was first rated in training (I + 1,); 0 where never, and at the end."""
    never = np.iinfo(np.int64).max
    first_I = np.full(len(bundle.catalogue) + 1, never)
    np.minimum.at(first_I, bundle.users.items_N, bundle.users.times_N)
    return np.where(first_I == never, 0, first_I)


def _by_category(items: pd.DataFrame, items_N: np.ndarray, largest: int) -> dict[str, Bools]:
    first = items["category"].astype(str).str.split("|").str[0].replace("", _NO_CATEGORY)
    category_N = np.append(first.to_numpy(dtype=object), _NO_CATEGORY)[items_N]
    # Largest first, ties by name, so that the order never depends on chance.
    counts = pd.Series(category_N).value_counts().rename_axis("name").reset_index(name="rows")
    counts = counts.sort_values(["rows", "name"], ascending=[False, True])
    return {f"{_BY_CATEGORY} {name}": category_N == name for name in counts["name"][:largest]}

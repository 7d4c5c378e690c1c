"""The split step: which accepted ratings are learnt from, and which are kept for the test.

N ratings in the order of the accepted table: by timestamp, user and item.
"""

import hashlib
import logging
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.errors import DataError
from components.files import read_parquet, write_folder, write_json, write_parquet
from components.leakage import Audit, audit_split
from components.params import Params
from components.params import Split as SplitParams
from components.paths import Workspace
from components.settings import Settings

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_COLUMNS = ["user_id", "item_id", "rating", "timestamp"]
_HASH_BYTES = 8
_KEYS = {
    "random": ["user_id", "item_id"],
    "cold_item": ["item_id"],
    "cold_user": ["user_id"],
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assignment:
    """Each of N rows is for the test, or for training; `valid` ones stop training early.

    `cutoff` is the last second that is learnt from, None where the strategy has none.
    """

    test_N: Bools
    valid_N: Bools
    cutoff: int | None


def split(workspace: Workspace, params: Params, settings: Settings) -> None:
    """Write train.parquet, test.parquet and reports/split.json, with the leakage audit in it.

    Raises DataError if one of the parts would be empty, or if one leaks into the other: then the
    report says what leaks, and no part is written.
    """
    ratings = read_parquet(workspace.accepted / "ratings.parquet")
    log.info("split started strategy=%s ratings=%d", params.split.strategy, len(ratings))
    train, test, assigned = divide(ratings, params.split)
    audit = audit_parts(workspace, train, test, params.split)
    report = describe(train, test, assigned, params.split.strategy)
    write_json(workspace.split_report, {**report, "audit": audit.to_json()})
    audit.refuse_leaks()
    with write_folder(workspace.split) as folder:
        write_parquet(folder / "train.parquet", train)
        write_parquet(folder / "test.parquet", test)
    log.info("split ended train=%d test=%d", len(train), len(test))


def divide(
    ratings: pd.DataFrame, params: SplitParams
) -> tuple[pd.DataFrame, pd.DataFrame, Assignment]:
    """Return the train rows with their `valid` flag, the test rows, and how they were assigned.

    Raises DataError if one of the parts would be empty.
    """
    assigned = assign(ratings, params)
    train = ratings[~assigned.test_N][_COLUMNS].assign(valid=assigned.valid_N[~assigned.test_N])
    test = ratings[assigned.test_N][_COLUMNS]
    _check_parts(len(ratings), train, test, params)
    return train, test, assigned


def audit_parts(
    workspace: Workspace, train: pd.DataFrame, test: pd.DataFrame, params: SplitParams
) -> Audit:
    """Return the leakage audit of two parts of a workspace's accepted ratings."""
    return audit_split(
        train,
        test,
        read_parquet(workspace.accepted / "items.parquet", ["item_id", "images"]),
        read_parquet(workspace.accepted / "images.parquet", ["sha256", "thumbnail"]),
        params,
    )


def assign(ratings: pd.DataFrame, params: SplitParams) -> Assignment:
    """Assign each row by the strategy; the same rows and parameters give the same answer.

    `ratings` has user_id, item_id, timestamp and batch, one row a pair.
    """
    if params.strategy == "global_time":
        return _by_global_time(ratings, params)
    if params.strategy == "user_time":
        return _by_user_time(ratings, params)
    return _by_hash(ratings[_KEYS[params.strategy]], params)


def _by_hash(keys: pd.DataFrame, params: SplitParams) -> Assignment:
    """Draw rows with equal keys together; the valid rows are as cold as those of the test.

    The folds cut [0, 1) at multiples of the test share, each edge computed alike from both sides,
    so that no row is in two folds or in none.
    """
    drawn_N = _draw(keys, f"{params.seed}")
    low, high = (edge * params.test_share for edge in (params.fold, params.fold + 1))
    # The last fold takes what rounding would leave over.
    test_N = (drawn_N >= low) & ((drawn_N < high) | math.isclose(high, 1))
    valid_N = _draw(keys, f"{params.seed} valid") < params.valid_share
    return Assignment(test_N, valid_N & ~test_N, None)


def _by_global_time(ratings: pd.DataFrame, params: SplitParams) -> Assignment:
    times_N = ratings["timestamp"].to_numpy(np.int64)
    cutoff = find_cutoff(times_N, ratings["batch"].to_numpy(np.int64), params.test_share)
    test_N = times_N > cutoff
    valid_N = np.zeros(len(ratings), dtype=bool)
    if not test_N.all():
        last = _quantile(np.sort(times_N[~test_N]), params.valid_share)
        valid_N = (times_N > last) & ~test_N
    return Assignment(test_N, valid_N, cutoff)


def find_cutoff(times_N: Ints, batches_N: Ints, test_share: float) -> int:
    """Return the last second that is learnt from.

    It is the greatest, over all beginnings of the batch list, of the (1 − test_share) quantile of
    the timestamps that came in so far. So a new batch, however old its ratings, never moves it
    back, and nothing that an earlier champion learnt becomes test. Adding a batch costs one more
    sort; no rows at all give 0.
    """
    cutoffs = [
        _quantile(np.sort(times_N[batches_N <= last]), test_share) for last in np.unique(batches_N)
    ]
    return max(cutoffs, default=0)


def _quantile(sorted_N: Ints, share_above: float) -> int:
    """Return the value that at most `share_above` of the rows lie above; N > 0."""
    above = math.floor(share_above * len(sorted_N))
    return int(sorted_N[len(sorted_N) - above - 1])


def _by_user_time(ratings: pd.DataFrame, params: SplitParams) -> Assignment:
    everybody = np.ones(len(ratings), dtype=bool)
    test_N = _last_of_each_user(ratings, everybody, params.test_share, params.min_user_ratings)
    valid_N = _last_of_each_user(ratings, ~test_N, params.valid_share, params.min_user_ratings)
    return Assignment(test_N, valid_N, None)


def _last_of_each_user(ratings: pd.DataFrame, among_N: Bools, share: float, at_least: int) -> Bools:
    """Mark the last `share` of each user's rows among some, rounded down; ties go by item_id.

    Users with fewer than `at_least` rows among them have none marked.
    """
    rows = ratings.loc[among_N, ["user_id", "timestamp", "item_id"]].reset_index(drop=True)
    rows = rows.sort_values(["timestamp", "item_id"], kind="stable")
    groups = rows.groupby("user_id", sort=False)["item_id"]
    counts, positions = groups.transform("size").sort_index(), groups.cumcount().sort_index()
    marked = np.floor(share * counts.to_numpy())
    marked[counts.to_numpy() < at_least] = 0
    picked_N = np.zeros(len(ratings), dtype=bool)
    picked_N[among_N] = positions.to_numpy() >= counts.to_numpy() - marked
    return picked_N


def _draw(keys: pd.DataFrame, salt: str) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each row, from its ids and the salt alone."""
    ids = list(zip(*(keys[column] for column in keys.columns), strict=True))
    drawn = {key: _hash("\0".join((salt, *key))) for key in set(ids)}
    return np.array([drawn[key] for key in ids], dtype=np.float64)


def _hash(text: str) -> float:
    digest = hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)  # 53 bits: what a float holds


def _check_parts(total: int, train: pd.DataFrame, test: pd.DataFrame, params: SplitParams) -> None:
    valid = int(train["valid"].sum())
    parts = {"train": len(train) - valid, "valid": valid, "test": len(test)}
    empty = [name for name, rows in parts.items() if not rows]
    if empty:
        shown = ", ".join(f"{rows:,} {name}" for name, rows in parts.items())
        raise DataError(
            f"split: the {empty[0]} part is empty ({total:,} ratings by {params.strategy} with "
            f"test_share {params.test_share} and valid_share {params.valid_share} give {shown}); "
            "ingest more ratings, or change split.strategy or the shares in params.yaml"
        )


def describe(
    train: pd.DataFrame, test: pd.DataFrame, assigned: Assignment, strategy: str
) -> dict[str, object]:
    """Return what reports/split.json holds: counts, cutoff, and how cold the test is."""
    cutoff = {} if assigned.cutoff is None else {"cutoff": assigned.cutoff}
    return {
        "strategy": strategy,
        **cutoff,
        "train": len(train),
        "valid": int(train["valid"].sum()),
        "test": len(test),
        "train_users": int(train["user_id"].nunique()),
        "train_items": int(train["item_id"].nunique()),
        "test_users": int(test["user_id"].nunique()),
        "test_items": int(test["item_id"].nunique()),
        "test_rows_of_unknown_users": float((~test["user_id"].isin(train["user_id"])).mean()),
        "test_rows_of_unknown_items": float((~test["item_id"].isin(train["item_id"])).mean()),
    }

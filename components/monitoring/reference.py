"""What a version promised: its test rows with the ratings that it predicted for them.

N rows, U users
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.models.bundle import Bundle
from components.models.catalogue import UNKNOWN, Bools, Ints, UserBook
from components.models.predictor import Predictor
from components.statistics import Reals

_COLUMNS = ["user", "rating", "predicted", "known"]


@dataclass(frozen=True)
class Rated:
    """N ratings by users (codes from 0), beside what was predicted for them."""

    users_N: Ints
    ratings_N: Reals
    predicted_N: Reals

    @property
    def squared_errors(self) -> Reals:
        """How far off each of the N predictions was, squared."""
        return (self.ratings_N - self.predicted_N) ** 2

    @property
    def users(self) -> int:
        """How many users gave them."""
        return len(np.unique(self.users_N))

    def __len__(self) -> int:
        return len(self.ratings_N)


@dataclass(frozen=True)
class Reference:
    """The test as the version met it: `known_U` says of whom it had learnt anything."""

    rated: Rated
    known_U: Bools

    def to_frame(self) -> pd.DataFrame:
        """Return it as a table, which names nobody."""
        rated = self.rated
        cells = (rated.users_N, rated.ratings_N, rated.predicted_N, self.known_U[rated.users_N])
        return pd.DataFrame(dict(zip(_COLUMNS, cells, strict=True)))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> "Reference":
        """Read that table."""
        users_N = frame["user"].to_numpy(np.int64)
        known_U = np.zeros(int(users_N.max(initial=-1)) + 1, bool)
        known_U[users_N] = frame["known"].to_numpy(bool)
        ratings_N, predicted_N = (frame[name].to_numpy(np.float64) for name in _COLUMNS[1:3])
        return cls(Rated(users_N, ratings_N, predicted_N), known_U)


def make_reference(evaluation: Bundle, served: Bundle, *, most: int, seed: int) -> Reference:
    """Return what the evaluation bundle predicts for the rows that only the served one learnt.

    These are the test rows: the same recipe was learnt once from the train rows and once from all.
    At most so many, of users drawn with a seed, whole.
    """
    rows = find_test_rows(evaluation.users, evaluation, served)
    names, users_N = np.unique(rows["user_id"].to_numpy(dtype=object), return_inverse=True)
    kept_N = _draw_users(users_N, len(names), most, seed)
    rows = rows[kept_N]
    names, users_N = np.unique(rows["user_id"].to_numpy(dtype=object), return_inverse=True)
    predicted_N = Predictor(evaluation).predict(rows["user_id"].tolist(), rows["item_id"].tolist())
    known_U = evaluation.users.find(names.tolist()) != UNKNOWN
    ratings_N = rows["rating"].to_numpy(np.float64)
    return Reference(Rated(users_N, ratings_N, predicted_N.astype(np.float64)), known_U)


def find_test_rows(train: UserBook, evaluation: Bundle, served: Bundle) -> pd.DataFrame:
    """Return user_id, item_id and rating of what the served bundle learnt and the other did not."""
    learnt = _list_ratings(train, evaluation)
    rows = _list_ratings(served.users, served).merge(
        learnt[["user_id", "item_id"]], on=["user_id", "item_id"], how="left", indicator="side"
    )
    return rows[rows["side"] == "left_only"].drop(columns="side").reset_index(drop=True)


def _list_ratings(book: UserBook, bundle: Bundle) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": np.repeat(np.array(book.user_ids, dtype=object), np.diff(book.offsets)),
            "item_id": bundle.catalogue.ids(book.items_N),
            "rating": book.ratings_N,
        }
    )


def _draw_users(users_N: Ints, users: int, most: int, seed: int) -> Bools:
    order = np.random.default_rng(seed).permutation(users)
    counts_U = np.bincount(users_N, minlength=users)[order]
    drawn = order[np.cumsum(counts_U) <= most] if len(users_N) > most else order
    return np.isin(users_N, drawn)

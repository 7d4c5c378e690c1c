"""What a recommender knows of items and users: ids outside, dense indices inside."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

UNKNOWN = -1


@dataclass(frozen=True)
class Catalogue:
    """The items, in the order of their dense index.

    `items` has at least the columns item_id, title, category (strings, empty where unknown) and
    images (list of sha256). An item without a usable image has a row of zeros in
    `embeddings_IE` and False in `has_image_I`.
    """

    items: pd.DataFrame
    embeddings_IE: Floats
    has_image_I: Bools
    _ids: list[str] = field(init=False, repr=False)
    _index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ids = self.items["item_id"].tolist()
        if not len(ids) == len(self.embeddings_IE) == len(self.has_image_I):
            raise ValueError(
                f"{len(ids)} items, {len(self.embeddings_IE)} embeddings and "
                f"{len(self.has_image_I)} flags: they must be one a row"
            )
        object.__setattr__(self, "_ids", ids)
        object.__setattr__(self, "_index", {item: row for row, item in enumerate(ids)})

    def __len__(self) -> int:
        return len(self._ids)

    def place(self, item_id: str) -> int:
        """Return the dense index of an id, UNKNOWN where there is none."""
        return self._index.get(item_id, UNKNOWN)

    def find(self, item_ids: Sequence[str]) -> Ints:
        """Return the dense index of each id, UNKNOWN where there is none."""
        return np.array([self._index.get(item, UNKNOWN) for item in item_ids], dtype=np.int64)

    def ids(self, item_indices: Ints) -> list[str]:
        """Return the ids of dense indices."""
        return [self._ids[index] for index in item_indices.tolist()]


@dataclass(frozen=True)
class History:
    """What one user rated, oldest first: three arrays of N."""

    items_N: Ints
    ratings_N: Floats
    times_N: Ints

    def __len__(self) -> int:
        return len(self.items_N)

    @classmethod
    def empty(cls) -> "History":
        """Return the history of somebody who rated nothing."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64))


@dataclass(frozen=True)
class UserBook:
    """The users, in the order of their dense index, and all that they rated (CSR by user).

    User u rated `items_N[offsets[u]:offsets[u + 1]]`, oldest first.
    """

    user_ids: tuple[str, ...]
    offsets: Ints
    items_N: Ints
    ratings_N: Floats
    times_N: Ints
    _index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.user_ids) + 1 or self.offsets[-1] != len(self.items_N):
            raise ValueError(
                f"{len(self.offsets)} offsets ending at {self.offsets[-1]} do not fit "
                f"{len(self.user_ids)} users with {len(self.items_N)} ratings"
            )
        object.__setattr__(self, "_index", {user: row for row, user in enumerate(self.user_ids)})

    def __len__(self) -> int:
        return len(self.user_ids)

    def find(self, user_ids: Sequence[str]) -> Ints:
        """Return the dense index of each id, UNKNOWN where there is none."""
        return np.array([self._index.get(user, UNKNOWN) for user in user_ids], dtype=np.int64)

    def history(self, user: int) -> History:
        """Return what the user with this dense index rated; empty for UNKNOWN."""
        if user == UNKNOWN:
            return History.empty()
        rows = slice(self.offsets[user], self.offsets[user + 1])
        return History(self.items_N[rows], self.ratings_N[rows], self.times_N[rows])

    @classmethod
    def from_ratings(cls, ratings: pd.DataFrame, catalogue: Catalogue) -> "UserBook":
        """Index a ratings table (user_id, item_id, rating, timestamp), ids in sorted order.

        Raises ValueError if a rating names an item that the catalogue does not hold.
        """
        users = np.unique(ratings["user_id"].to_numpy(dtype=object).astype(str))
        rows = pd.DataFrame(
            {
                "user": np.searchsorted(
                    users, ratings["user_id"].to_numpy(dtype=object).astype(str)
                ),
                "item": catalogue.find(ratings["item_id"].tolist()),
                "rating": ratings["rating"].to_numpy(np.float32),
                "time": ratings["timestamp"].to_numpy(np.int64),
            }
        ).sort_values(["user", "time", "item"], kind="stable")
        if (rows["item"] == UNKNOWN).any():
            missing = ratings["item_id"][rows["item"] == UNKNOWN].iloc[0]
            raise ValueError(f"a rating names item {missing!r}, which the catalogue does not hold")
        counts = np.bincount(rows["user"], minlength=len(users))
        return cls(
            tuple(users.tolist()),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            rows["item"].to_numpy(np.int64),
            rows["rating"].to_numpy(np.float32),
            rows["time"].to_numpy(np.int64),
        )

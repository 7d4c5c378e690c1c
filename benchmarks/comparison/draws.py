"""The fixed draws: which rows are learnt from, which stop training early, and which are the test.

They depend on nothing but the order of the rows, so that everybody's numbers compare. N rows in
the order of the file.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

SPLITS = ("random", "global_time", "cold_item")
FOLDS = 5
TEST_SHARE = 0.2
VALID_SHARE = 0.1

# Which of the train rows are valid rows is drawn apart from the test: one seed a split.
_RANDOM_SEED = 0
_RANDOM_VALID_SEED = 1
_COLD_VALID_SEED = 7

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Draw:
    """One division of the rows; `number` is the fold or the draw, 0 by time.

    `train` has the flag `valid`; both keep the order of the file and begin their index at 0.
    """

    split: str
    number: int
    train: pd.DataFrame
    test: pd.DataFrame

    @property
    def name(self) -> str:
        """Name it in logs and tables."""
        return self.split if self.split == "global_time" else f"{self.split} {self.number}"

    @property
    def learnt(self) -> pd.DataFrame:
        """Return the train rows that are not valid rows."""
        return self.train[~self.train["valid"]]

    @property
    def valid(self) -> pd.DataFrame:
        """Return the valid rows."""
        return self.train[self.train["valid"]]


def draw(ratings: pd.DataFrame, split: str, number: int) -> Draw:
    """Divide ratings (user_id, item_id, rating, timestamp) by a split.

    The valid rows are taken from the train rows in the same manner as the test was taken from
    all. Raises ValueError for a split or a number that there is not.
    """
    if split not in SPLITS:
        raise ValueError(f"{split!r} is none of {', '.join(SPLITS)}")
    if number not in numbers_of(split):
        raise ValueError(f"{split} has no draw {number}, only {list(numbers_of(split))}")
    test_N = _choose_test(ratings, split, number)
    train = ratings[~test_N].reset_index(drop=True)
    valid_N = _choose_valid(train, split)
    return Draw(split, number, train.assign(valid=valid_N), ratings[test_N].reset_index(drop=True))


def numbers_of(split: str) -> range:
    """Return the numbers of a split's draws."""
    return range(1 if split == "global_time" else FOLDS)


def _choose_test(ratings: pd.DataFrame, split: str, number: int) -> Bools:
    if split == "random":
        fold_N = np.random.default_rng(_RANDOM_SEED).integers(0, FOLDS, len(ratings))
        return fold_N == number
    if split == "global_time":
        return _latest(ratings, 1 - TEST_SHARE)
    return _of_drawn_items(ratings, TEST_SHARE, number)


def _choose_valid(train: pd.DataFrame, split: str) -> Bools:
    if split == "random":
        return np.random.default_rng(_RANDOM_VALID_SEED).random(len(train)) < VALID_SHARE
    if split == "global_time":
        return _latest(train, 1 - VALID_SHARE)
    return _of_drawn_items(train, VALID_SHARE, _COLD_VALID_SEED)


def _latest(ratings: pd.DataFrame, before: float) -> Bools:
    """Return which rows come after the first share `before` of them; equal times as in the file."""
    order_N = np.argsort(ratings["timestamp"].to_numpy(), kind="stable")
    latest_N = np.ones(len(ratings), bool)
    latest_N[order_N[: int(before * len(ratings))]] = False
    return latest_N


def _of_drawn_items(ratings: pd.DataFrame, share: float, seed: int) -> Bools:
    items = ratings["item_id"].unique()
    drawn = np.random.default_rng(seed).choice(items, int(share * len(items)), replace=False)
    return ratings["item_id"].isin(drawn).to_numpy()

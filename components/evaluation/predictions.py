"""Predicted ratings of test rows, static and prequential.

Static: histories hold train rows only; what is compared. Prequential: a user's history holds what
the user had rated by then, train and test rows alike, as the endpoint has it in life.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.models.catalogue import UNKNOWN, Bools, Floats, History, Ints, UserBook
from components.models.predictor import Predictor
from components.models.protocol import Asker

_FOLDS_AT_ONCE = 4096


def predict_static(predictor: Predictor, test: pd.DataFrame) -> Floats:
    """Return the rating of each of N rows (user_id, item_id), clipped to the scale."""
    return predictor.predict(test["user_id"].tolist(), test["item_id"].tolist())


def predict_prequential(
    predictor: Predictor, test: pd.DataFrame, *, later_train_rows: bool = False
) -> Floats:
    """Return the rating of each row, as known just before the second in which it was given.

    The history holds the user's train and test rows of earlier seconds, and none of the same
    second or later: a split that is not by time has train rows there too, which only
    `later_train_rows` leaves in. Test rows of items that the catalogue does not hold tell nothing.
    What was learnt stays learnt: the factors of users and items come from all train rows, later
    ones included.
    """
    predicted_N = np.zeros(len(test), np.float32)
    if test.empty:
        return predicted_N
    names, user_N = np.unique(
        test["user_id"].to_numpy(dtype=object).astype(str), return_inverse=True
    )
    past = _Past.of(predictor, names.tolist(), user_N, test, later_train_rows)
    moments = _find_moments(user_N, test["timestamp"].to_numpy(np.int64))
    for start in range(0, len(moments), _FOLDS_AT_ONCE):
        block = moments[start : start + _FOLDS_AT_ONCE]
        side = predictor.fold([past.ask(moment) for moment in block])
        rows_B = np.concatenate([moment.rows for moment in block])
        owner_B = np.repeat(np.arange(len(block)), [len(moment.rows) for moment in block])
        items = predictor.item_side(test["item_id"].iloc[rows_B].tolist())
        predicted_N[rows_B] = predictor.rate(side.take(owner_B), items)
    return predicted_N


def sample_users(user_ids: pd.Series, most: int, seed: int) -> Bools:
    """Return which rows belong to at most `most` users, drawn without replacement."""
    users = np.unique(user_ids.to_numpy(dtype=object).astype(str))
    if len(users) <= most:
        return np.ones(len(user_ids), bool)
    drawn = np.random.default_rng(seed).choice(users, most, replace=False)
    return user_ids.isin(drawn.tolist()).to_numpy()


@dataclass(frozen=True)
class _Moment:
    """A user and a second, and the test rows of that user that were given in it."""

    user: int
    now: int
    rows: Ints


def _find_moments(user_N: Ints, times_N: Ints) -> list[_Moment]:
    """Return each user's moments in their order; users are codes from 0."""
    order = np.lexsort((times_N, user_N))
    users, times = user_N[order], times_N[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(users) != 0) | (np.diff(times) != 0)])
    ends = np.append(starts[1:], len(order))
    return [
        _Moment(user, now, order[start:end])
        for user, now, start, end in zip(
            users[starts].tolist(), times[starts].tolist(), starts, ends, strict=True
        )
    ]


@dataclass(frozen=True)
class _Past:
    """All that U users rated, in train and test rows: user u's from `offsets[u]` on, by time.

    `is_kept` are the rows that may be read whenever they were given.
    """

    indices: tuple[int, ...]
    offsets: Ints
    rated: History
    is_kept: Bools

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        user_ids: list[str],
        user_N: Ints,
        test: pd.DataFrame,
        later_train_rows: bool,
    ) -> "_Past":
        """Merge the train rows of the users with the test rows of known items."""
        book = predictor.bundle.users
        index_U = book.find(user_ids)
        owner_T, rows_T = _find_rows(book, index_U)
        items_N = predictor.bundle.catalogue.find(test["item_id"].tolist())
        known = items_N != UNKNOWN
        users = np.concatenate([owner_T, user_N[known]])
        items = np.concatenate([book.items_N[rows_T], items_N[known]])
        times = np.concatenate([book.times_N[rows_T], test["timestamp"].to_numpy(np.int64)[known]])
        ratings = np.concatenate(
            [book.ratings_N[rows_T], test["rating"].to_numpy(np.float32)[known]]
        )
        order = np.lexsort((items, times, users))
        offsets = np.searchsorted(users[order], np.arange(len(user_ids) + 1))
        rated = History(items[order], ratings[order], times[order])
        is_kept = (order < len(rows_T)) & later_train_rows
        return cls(tuple(index_U.tolist()), offsets, rated, is_kept)

    def ask(self, moment: _Moment) -> Asker:
        """Return the user as known just before a moment."""
        rows = np.arange(self.offsets[moment.user], self.offsets[moment.user + 1])
        rows = rows[(self.rated.times_N[rows] < moment.now) | self.is_kept[rows]]
        history = History(
            self.rated.items_N[rows], self.rated.ratings_N[rows], self.rated.times_N[rows]
        )
        return Asker(self.indices[moment.user], history, moment.now)


def _find_rows(book: UserBook, index_U: Ints) -> tuple[Ints, Ints]:
    """Return the rows (T,) of a book that some users rated, and which of the users each is of."""
    known = np.flatnonzero(index_U != UNKNOWN)
    starts, ends = book.offsets[index_U[known]], book.offsets[index_U[known] + 1]
    owner_T = np.repeat(known, ends - starts)
    rows = [np.arange(start, end) for start, end in zip(starts, ends, strict=True)]
    return owner_T, np.concatenate([np.zeros(0, np.int64), *rows])

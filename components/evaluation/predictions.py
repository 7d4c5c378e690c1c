"""Predicted ratings of test rows, static and prequential.

Static: histories hold train rows only; what is compared. Prequential: a user's history may also
hold the same user's test rows with an earlier timestamp, as the endpoint has them in life.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from components.models.catalogue import UNKNOWN, Bools, Floats, History, Ints
from components.models.predictor import Predictor

_FOLDS_AT_ONCE = 4096


def predict_static(predictor: Predictor, test: pd.DataFrame) -> Floats:
    """Return the rating of each of N rows (user_id, item_id), clipped to the scale."""
    return predictor.predict(test["user_id"].tolist(), test["item_id"].tolist())


def predict_prequential(predictor: Predictor, test: pd.DataFrame) -> Floats:
    """Return the rating of each row, as known just before the second in which it was given.

    Rows of the same user and second do not see one another. Test rows of items that the
    catalogue does not hold tell nothing.
    """
    predicted_N = np.zeros(len(test), np.float32)
    moments = list(_moments(predictor, test))
    for start in range(0, len(moments), _FOLDS_AT_ONCE):
        block = moments[start : start + _FOLDS_AT_ONCE]
        side = predictor.fold_all(
            [user for user, _, _, _ in block],
            [past for _, past, _, _ in block],
            [now for _, _, now, _ in block],
        )
        rows_B = np.concatenate([rows for *_, rows in block])
        owner_B = np.repeat(np.arange(len(block)), [len(rows) for *_, rows in block])
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


def _moments(predictor: Predictor, test: pd.DataFrame) -> Iterator[tuple[str, History, int, Ints]]:
    """Yield each user and second: the user's test rows before it, the second, the rows in it."""
    if test.empty:
        return
    items_N = predictor.bundle.catalogue.find(test["item_id"].tolist())
    ratings_N = test["rating"].to_numpy(np.float32)
    times_N = test["timestamp"].to_numpy(np.int64)
    order = np.lexsort((times_N, pd.factorize(test["user_id"], sort=True)[0]))
    users = test["user_id"].to_numpy(dtype=object)
    changes = np.flatnonzero(users[order][1:] != users[order][:-1]) + 1
    for rows in np.split(order, changes):
        starts = np.unique(times_N[rows], return_index=True)[1]
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            past = rows[:start][items_N[rows[:start]] != UNKNOWN]
            history = History(items_N[past], ratings_N[past], times_N[past])
            yield str(users[rows[0]]), history, int(times_N[rows[start]]), rows[start:end]

"""How long one user waits for a list, in this process: what is timed is logged, never kept."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.models.catalogue import UNKNOWN
from components.models.predictor import Predictor

_WARM_UP = 3


@dataclass(frozen=True)
class ResponseTime:
    """Median and 99th percentile of the milliseconds to an answer; NaN without requests."""

    requests: int
    median_ms: float
    p99_ms: float


def time_lists(predictor: Predictor, user_ids: Sequence[str | None], k: int) -> ResponseTime:
    """Ask for one user's list of k after the other, as the endpoint does, and time each.

    From the id to the ranked ids: the history is read, the user folded, the catalogue ranked
    without what was seen. None stands for somebody new. The first few asked are asked before, too.
    """
    for user_id in user_ids[:_WARM_UP]:
        _ask(predictor, user_id, k)
    milliseconds = []
    for user_id in user_ids:
        started = time.perf_counter()
        _ask(predictor, user_id, k)
        milliseconds.append(1000 * (time.perf_counter() - started))
    if not milliseconds:
        return ResponseTime(0, float("nan"), float("nan"))
    median, p99 = np.percentile(milliseconds, [50, 99]).tolist()
    return ResponseTime(len(milliseconds), median, p99)


def _ask(predictor: Predictor, user_id: str | None, k: int) -> None:
    book = predictor.bundle.users
    seen = book.history(UNKNOWN if user_id is None else int(book.find([user_id])[0]))
    predictor.rank(predictor.fold_user(user_id), k, seen.items_N)

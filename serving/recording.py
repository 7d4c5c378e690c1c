"""Leaves a row of each answer in the answer log: what was shown, to whom, on what it rests."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from components.answers.address import OFF
from components.answers.answered import Answered
from components.answers.log import AnswerLog
from components.errors import BeholderError
from components.settings import Settings
from serving.asked import now
from serving.guard import caller
from serving.metrics import open_meter
from serving.schemas.answers import (
    PredictAnswer,
    PredictByImageAnswer,
    RecommendAnswer,
    RecommendByImageAnswer,
    SimilarAnswer,
)

# user_id, path, items, ratings, users, paths
Said = tuple[Any, ...]
AnswerT = TypeVar("AnswerT", bound=BaseModel)

log = logging.getLogger(__name__)


def open_log(settings: Settings) -> AnswerLog | None:
    """Return the log that the settings name; None without one, or where it cannot be had."""
    address = settings.answers_url
    if address is None or address == OFF:
        return None
    try:
        answers = AnswerLog(address)
    except (BeholderError, OSError) as error:
        log.error("answer log refused, nothing is kept reason=%s", error)
        return None
    answers.begin(
        keep_days=settings.answers_days,
        max_gb=settings.answers_gb,
        on_loss=open_meter().count_lost,
    )
    return answers


def record(answers: AnswerLog | None, route: str, request: Any, answer: AnswerT) -> AnswerT:
    """Return the answer to the request of this task, and queue its row where there is a log."""
    asked = now()
    if answers is None or asked is None or asked.release is None:
        return answer
    release, manifest = asked.release, asked.release.manifest
    told = (asked.request_id, time.time(), time.perf_counter() - asked.started, route)
    model = (manifest.version, manifest.lineage_id, caller.get())
    row = Answered(*told, *model, *_READERS[type(answer)](request, answer))
    if release.catalogue_id is not None:
        row = row._replace(catalogue=release.catalogue_id)
    answers.submit(row)
    return answer


def _read_list(request: Any, answer: Any) -> Said:
    items, ratings = _read_items(answer.items)
    return request.user_id, answer.path, items, ratings


def _read_similar(_: Any, answer: Any) -> Said:
    return None, None, tuple([item.item_id for item in answer.items]), (None,) * len(answer.items)


def _read_pairs(_: Any, answer: Any) -> Said:
    users = tuple([rated.user_id for rated in answer.ratings])
    paths = tuple([rated.path for rated in answer.ratings])
    items, ratings = _read_items(answer.ratings)
    return *_common(users, paths), items, ratings, *_apart(users, paths)


def _read_looks(request: Any, answer: Any) -> Said:
    """Both lists that were shown, the rated one first; look-alikes alone have no rating."""
    items, ratings = _read_items(answer.items)
    rated = frozenset(items)
    others = tuple([look.item_id for look in answer.similar if look.item_id not in rated])
    return request.user_id, answer.path, items + others, ratings + (None,) * len(others)


def _read_picture(_: Any, answer: Any) -> Said:
    users = tuple([rated.user_id for rated in answer.ratings])
    paths = tuple([rated.path for rated in answer.ratings])
    ratings = tuple([rated.rating for rated in answer.ratings])
    return *_common(users, paths), None, ratings, *_apart(users, paths)


_READERS: dict[type, Callable[[Any, Any], Said]] = {
    RecommendAnswer: _read_list,
    SimilarAnswer: _read_similar,
    PredictAnswer: _read_pairs,
    RecommendByImageAnswer: _read_looks,
    PredictByImageAnswer: _read_picture,
}


def _read_items(rated: Any) -> tuple[tuple[str, ...], tuple[float, ...]]:
    return tuple([one.item_id for one in rated]), tuple([one.rating for one in rated])


def _common(*columns: tuple[str, ...]) -> tuple[str | None, ...]:
    """Return for each column the value that it has throughout, None where it has several."""
    return tuple(column[0] if _is_even(column) else None for column in columns)


def _apart(*columns: tuple[str, ...]) -> tuple[tuple[str, ...] | None, ...]:
    return tuple(None if _is_even(column) else column for column in columns)


def _is_even(column: tuple[str, ...]) -> bool:
    return column.count(column[0]) == len(column)

"""What /feedback does: check what is told, store it, acknowledge; and remember it in /recommend."""

import asyncio
import logging
import time
from collections.abc import Sequence
from http import HTTPStatus

import numpy as np

from components.errors import BeholderError
from components.feedback.events import Event, LogBusyError, Remembered, RepeatedIdError
from components.feedback.log import FeedbackLog
from components.models.catalogue import UNKNOWN, History
from serving.answers import origin
from serving.named import check_rating, unknown_items, unknown_users
from serving.refusal import Refusal
from serving.release import Release
from serving.schemas.answers import FeedbackAnswer
from serving.schemas.requests import FeedbackRequest

# Clocks differ; what lies further ahead is an error, and would outdo every later rating.
_AHEAD_SECONDS = 86_400
_NO_LOG = (
    "feedback is not stored here: set BEHOLDER_FEEDBACK_URL to sqlite:///PATH and start the "
    "endpoint again, or start it by 'beholder serve'"
)

log = logging.getLogger(__name__)


def open_log(address: str | None) -> FeedbackLog | None:
    """Return the log at an address; None without one, or where it cannot be had (logged)."""
    if address is None:
        return None
    try:
        return FeedbackLog(address)
    except (BeholderError, OSError) as error:
        log.error("feedback log refused reason=%s", error)
        return None


async def take(
    release: Release, feedback: FeedbackLog | None, request: FeedbackRequest, caller: str = ""
) -> FeedbackAnswer:
    """Answer /feedback when all of its events are on disk; raise Refusal if none is stored.

    Event ids are the caller's own: two callers may use the same.
    """
    if feedback is None:
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, _NO_LOG)
    check(request, release.predictor.bundle.scale, int(time.time()))
    events = [Event(**event.model_dump()) for event in request.events]
    try:
        stored = await asyncio.wrap_future(feedback.submit(caller, events))
    except RepeatedIdError as error:
        raise Refusal(HTTPStatus.CONFLICT, f"events: {error}; none of these was stored") from None
    except LogBusyError as error:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, f"{error}; send the same events again"
        ) from None
    return FeedbackAnswer(
        stored=stored.new,
        repeated=stored.repeated,
        unknown_items=unknown_items(release, [event.item_id for event in events]),
        unknown_users=unknown_users(release, [event.user_id for event in events]),
        model=origin(release),
    )


def check(request: FeedbackRequest, scale: tuple[float, float], now: int) -> None:
    """Raise Refusal naming the first event whose rating or time cannot be."""
    for row, event in enumerate(request.events):
        if event.value is not None:
            check_rating(scale, event.value, f"events.{row}.value")
        if event.timestamp is not None and event.timestamp > now + _AHEAD_SECONDS:
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"events.{row}.timestamp: {event.timestamp} lies in the future (now it is {now})",
            )


def recall(release: Release, feedback: FeedbackLog | None, user_id: str | None) -> History | None:
    """Return what the log knows of a user and the release does not; None if it cannot be read."""
    if feedback is None or user_id is None:
        return History.empty()
    try:
        ratings = feedback.recent_ratings(user_id)
    except LogBusyError as error:
        log.warning("ratings not remembered reason=%s", error)
        return None
    return select_unlearnt(release, user_id, ratings)


def select_unlearnt(release: Release, user_id: str, ratings: Sequence[Remembered]) -> History:
    """Return the last rating of each known item, unless the release learnt it or a later one."""
    if not ratings:
        return History.empty()
    last = {rating.item_id: rating for rating in ratings}
    in_order = sorted(last.values(), key=lambda rating: rating.timestamp)
    bundle = release.predictor.bundle
    learnt = bundle.users.history(int(bundle.users.find([user_id])[0]))
    learnt_at = dict(zip(learnt.items_N.tolist(), learnt.times_N.tolist(), strict=True))
    indices = bundle.catalogue.find([rating.item_id for rating in in_order]).tolist()
    fresh = [
        (index, rating.rating, rating.timestamp)
        for index, rating in zip(indices, in_order, strict=True)
        if index != UNKNOWN and rating.timestamp > learnt_at.get(index, -1)
    ]
    return History(
        np.array([index for index, _, _ in fresh], np.int64),
        np.array([rating for _, rating, _ in fresh], np.float32),
        np.array([when for _, _, when in fresh], np.int64),
    )

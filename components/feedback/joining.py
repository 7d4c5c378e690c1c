"""Feedback beside what was answered: each event finds the answer that it names, and its rating."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from components.answers.answered import Answered
from components.answers.log import AnswerLog
from components.feedback.events import Told
from components.feedback.log import FeedbackLog

# Events whose answers are looked up at a time.
_PORTION = 500


@dataclass(frozen=True)
class Joined:
    """An event that names an answer, and that answer; None if the log holds none that fits.

    `predicted` is the rating that the answer told for the item, None where it told none; `path`
    is what that rests on.
    """

    told: Told
    answered: Answered | None
    predicted: float | None = None
    path: str | None = None


@dataclass(frozen=True)
class Online:
    """How far off a version's answers were: so many ratings given, and the RMSE over them."""

    ratings: int
    rmse: float


@dataclass(frozen=True)
class Summary:
    """Of events that name an answer: how many, how many were found, and the RMSE by version."""

    named: int
    found: int
    versions: Mapping[str, Online]


def join(feedback: FeedbackLog, answers: AnswerLog, since: float = 0.0) -> Iterator[Joined]:
    """Yield each event stored since a moment that names an answer, beside that answer.

    Of several events of one kind by one user about one item of one answer, the last one counts.
    """
    events = feedback.named(since)
    while portion := list(islice(events, _PORTION)):
        found = answers.find_all({told.request_id for told in portion})
        yield from (match(told, found.get(told.request_id, ())) for told in portion)


def match(told: Told, candidates: Sequence[Answered]) -> Joined:
    """Return an event beside the one of these answers, oldest first, that it is about.

    They are all to requests of the id that it names, but callers make ids up, and two may have
    made up the same one. So it is the last answer, given before the event came, that showed this
    item to this user; one that the event's own caller asked for goes before any other's. Where
    none showed the item, it is the last one that may have been this user's.
    """
    fitting = [one for one in candidates if _may_be(told, one)]
    if not fitting:
        return Joined(told, None)
    best = max(fitting, key=lambda one: _rank(told, one))
    row = best.find(told.user_id, told.item_id)
    if row is None:
        return Joined(told, best)
    return Joined(told, best, best.ratings[row], best.path_of(row))


def _may_be(told: Told, answered: Answered) -> bool:
    users = answered.users or (answered.user_id,)
    return answered.at <= told.stored_at and (told.user_id in users or users == (None,))


def _rank(told: Told, answered: Answered) -> tuple[bool, bool, float]:
    shows = answered.find(told.user_id, told.item_id) is not None
    return shows, answered.caller == told.caller, answered.at


def summarise(joined: Iterable[Joined]) -> Summary:
    """Return how many events found their answer, and the RMSE of the ratings by version."""
    named = found = 0
    squares: dict[str, tuple[int, float]] = {}
    for one in joined:
        named += 1
        if one.answered is None:
            continue
        found += 1
        if one.told.value is not None and one.predicted is not None:
            count, total = squares.get(one.answered.version, (0, 0.0))
            error = one.told.value - one.predicted
            squares[one.answered.version] = (count + 1, total + error * error)
    versions = {
        version: Online(count, math.sqrt(total / count))
        for version, (count, total) in squares.items()
    }
    return Summary(named, found, versions)

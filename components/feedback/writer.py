"""Group commit: one thread writes what many requests sent, and commits once for all of them.

A commit that lasts costs milliseconds, whatever it holds; so what comes in while one is under way
shares the next.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import OperationalError

from components.feedback.events import Event, LogBusyError, RepeatedIdError, Stored
from components.feedback.tables import events
from components.sqlite import begin

# Events: of one commit, and of all that waits.
_GROUP = 2_000
_WAITING = 20_000
_IDS_A_QUERY = 500

log = logging.getLogger(__name__)

Row = dict[str, Any]


@dataclass
class Parcel:
    """One request's events, and whom to tell what became of them."""

    caller: str
    events: Sequence[Event]
    future: "Future[Stored]" = field(default_factory=Future)


class Writer:
    """Stores parcels, each whole or not at all, in the order in which they came."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._waiting: deque[Parcel] = deque()
        self._count = 0
        self._wake = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
        self._thread.start()

    def submit(self, caller: str, sent: Sequence[Event]) -> "Future[Stored]":
        """Queue a request's events; the future is done when they are on disk, or are refused.

        It raises RepeatedIdError, or LogBusyError where another process holds the file. Raises
        LogBusyError at once where too much waits already, or the log is closed.
        """
        parcel = Parcel(caller, tuple(sent))
        with self._wake:
            if self._ended:
                raise LogBusyError("the feedback log is closed")
            if self._count + len(parcel.events) > _WAITING:
                raise LogBusyError(f"{self._count:,} events wait to be stored; send this later")
            self._waiting.append(parcel)
            self._count += len(parcel.events)
            self._wake.notify()
        return parcel.future

    def close(self) -> None:
        """Store what waits, and take nothing more."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._take():
            try:
                outcomes = self._store(group)
            except OperationalError as error:
                log.warning("feedback not stored parcels=%d reason=%s", len(group), error.orig)
                outcomes = [
                    LogBusyError(f"the feedback log is not to be had ({error.orig})")
                ] * len(group)
            except Exception as error:  # whatever it is, those who wait must hear of it
                log.exception("feedback not stored parcels=%d", len(group))
                outcomes = [error] * len(group)
            for parcel, outcome in zip(group, outcomes, strict=True):
                _tell(parcel.future, outcome)

    def _take(self) -> list[Parcel]:
        """Wait for parcels, and return those of the next commit; none when all is done."""
        with self._wake:
            while not self._waiting and not self._ended:
                self._wake.wait()
            group: list[Parcel] = []
            size = 0
            while self._waiting and (not group or size + len(self._waiting[0].events) <= _GROUP):
                group.append(self._waiting.popleft())
                size += len(group[-1].events)
            self._count -= size
            return group

    def _store(self, group: Sequence[Parcel]) -> list[Stored | Exception]:
        with self._engine.connect() as connection:
            begin(connection)
            known = find_known(connection, group)
            outcomes: list[Stored | Exception] = []
            rows: list[Row] = []
            for parcel in group:
                try:
                    fresh = sort_out(parcel, known)
                except RepeatedIdError as error:
                    outcomes.append(error)
                    continue
                now = self._clock()
                rows += [to_row(parcel.caller, one, sent, now) for one, sent in fresh]
                outcomes.append(Stored(len(fresh), len(parcel.events) - len(fresh)))
            if rows:
                connection.execute(insert(events), rows)
            connection.commit()
        return outcomes


def find_known(connection: Connection, group: Sequence[Parcel]) -> dict[tuple[str, str], str]:
    """Return the hash of what is stored under each (caller, event id) of the parcels."""
    ids: dict[str, list[str]] = {}
    for parcel in group:
        ids.setdefault(parcel.caller, []).extend(one.event_id for one in parcel.events)
    known = {}
    for caller, wanted in ids.items():
        for start in range(0, len(wanted), _IDS_A_QUERY):
            query = select(events.c.event_id, events.c.sent).where(
                events.c.caller == caller,
                events.c.event_id.in_(wanted[start : start + _IDS_A_QUERY]),
            )
            known.update({(caller, row.event_id): row.sent for row in connection.execute(query)})
    return known


def sort_out(parcel: Parcel, known: dict[tuple[str, str], str]) -> list[tuple[Event, str]]:
    """Return the events that are not stored yet, each with its hash, and add them to `known`.

    Raises RepeatedIdError, with `known` as it was, if one is known with other content.
    """
    fresh: dict[tuple[str, str], tuple[Event, str]] = {}
    for one in parcel.events:
        key, sent = (parcel.caller, one.event_id), one.digest()
        before = known.get(key) or (fresh[key][1] if key in fresh else None)
        if before is None:
            fresh[key] = (one, sent)
        elif before != sent:
            raise RepeatedIdError(one.event_id)
    known.update({key: sent for key, (_, sent) in fresh.items()})
    return list(fresh.values())


def to_row(caller: str, one: Event, sent: str, now: float) -> Row:
    """Return an event as it is stored at `now`."""
    told = {name: getattr(one, name) for name in _TOLD}
    timestamp = int(now) if one.timestamp is None else one.timestamp
    return {**told, "timestamp": timestamp, "caller": caller, "sent": sent, "stored_at": now}


_TOLD = (
    *("event_id", "user_id", "item_id", "kind", "value"),
    *("request_id", "version", "lineage_id"),
)


def _tell(future: "Future[Stored]", outcome: Stored | Exception) -> None:
    if not future.set_running_or_notify_cancel():  # who asked went away; it is stored all the same
        return
    if isinstance(outcome, Stored):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)

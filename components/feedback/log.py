"""The feedback log of a workspace: events in, the ratings of a user and counts out."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import cast

from sqlalchemy import PoolProxiedConnection, case, func, select

from components.feedback.events import Event, LogBusyError, Remembered, Stored, Told
from components.feedback.export import Export, begin_export, end_export
from components.feedback.tables import LAYOUT, events, exports
from components.feedback.writer import Writer
from components.sqlite import open_engine

RECENT = 1_000

# Written out, for SQLite itself: SQLAlchemy would take longer to ask than SQLite to answer.
_RECENT = (
    "SELECT item_id, value, timestamp FROM events WHERE user_id = ? AND kind = 'rating' "
    "AND timestamp > ? ORDER BY timestamp DESC, number DESC LIMIT ?"
)
# With max(), SQLite takes the other columns from the row that has it.
_NAMED = (
    "SELECT max(number), caller, request_id, user_id, item_id, kind, value, timestamp, stored_at "
    "FROM events WHERE request_id IS NOT NULL AND stored_at >= ? "
    "GROUP BY request_id, user_id, item_id, kind"
)
_NTH_NAMED = (
    "SELECT stored_at FROM events WHERE request_id IS NOT NULL AND kind = 'rating' "
    "AND stored_at >= ? ORDER BY number DESC LIMIT 1 OFFSET ?"
)
_UNEXPORTED = case((events.c.export.is_(None), events.c.stored_at))


@dataclass(frozen=True)
class Counts:
    """What the log holds, by kind; of the ratings, how many went into batches, and into which.

    `first` and `last` are when something was stored first and last (seconds since 1970).
    """

    kinds: dict[str, int]
    exported: int
    waiting: int
    waiting_since: float | None
    first: float | None
    last: float | None
    batches: tuple[str, ...]
    is_open: bool


class FeedbackLog:
    """One log, shared by the threads of a process, beside other processes that write it too."""

    def __init__(self, address: str) -> None:
        """Open it, made where it is missing; raises CorruptFileError if that is no such log."""
        self._engine = open_engine(address, LAYOUT)
        self._writer = Writer(self._engine)
        self._mine = threading.local()
        self._readers: list[PoolProxiedConnection] = []

    def submit(self, caller: str, sent: Sequence[Event]) -> "Future[Stored]":
        """Store a request's events, all or none; see `Writer.submit`."""
        return self._writer.submit(caller, sent)

    def recent_ratings(self, user_id: str, since: int = -1) -> list[Remembered]:
        """Return a user's ratings given later than `since`, oldest first, the newest 1,000.

        An item that was rated more than once is there more than once, the last one last. Raises
        LogBusyError if the file is not to be had.
        """
        try:
            rows = self._reader().execute(_RECENT, (user_id, since, RECENT)).fetchall()
        except sqlite3.OperationalError as error:
            raise LogBusyError(f"the feedback log cannot be read ({error})") from error
        return [Remembered(*row) for row in reversed(rows)]

    def counts(self) -> Counts:
        """Return what it holds."""
        with self._engine.connect() as connection:
            kinds = select(events.c.kind, func.count().label("number")).group_by(events.c.kind)
            ratings = select(
                func.count(), func.count(events.c.export), func.min(_UNEXPORTED)
            ).where(events.c.kind == "rating")
            total, taken, since = connection.execute(ratings).one()
            span = select(func.min(events.c.stored_at), func.max(events.c.stored_at))
            first, last = connection.execute(span).one()
            in_order = select(exports.c.batch).order_by(exports.c.number)
            names = list(connection.execute(in_order).scalars())
            return Counts(
                kinds={row.kind: row.number for row in connection.execute(kinds)},
                exported=taken,
                waiting=total - taken,
                waiting_since=since,
                first=first,
                last=last,
                batches=tuple(name for name in names if name is not None),
                is_open=None in names,
            )

    def named(self, since: float = 0.0) -> Iterator[Told]:
        """Yield the events stored since a moment that name an answer, by its request id.

        Of those by one user about one item of one answer, the one of each kind that came last.
        """
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql(_NAMED, (since,))
            for row in rows:
                yield Told(*row[1:])

    def find_start(self, ratings: int, since: float = 0.0) -> float:
        """Return when the first of the newest so many ratings was stored that name an answer.

        That is `since` where fewer were stored since then.
        """
        with self._engine.connect() as connection:
            found = connection.exec_driver_sql(_NTH_NAMED, (since, ratings - 1)).scalar()
            return since if found is None else float(found)

    def begin_export(self) -> Export | None:
        """Choose the ratings of the next batch; see `export.begin_export`."""
        return begin_export(self._engine)

    def end_export(self, number: int, batch_id: str) -> None:
        """Note which batch an export's ratings went into."""
        end_export(self._engine, number, batch_id)

    def close(self) -> None:
        """Store what waits, and let the file go."""
        self._writer.close()
        for reader in self._readers:
            reader.close()
        self._engine.dispose()

    def _reader(self) -> sqlite3.Connection:
        # A connection a thread, kept, and SQLite's own: to take one from the pool costs more than
        # the query, and to ask through SQLAlchemy five times as much.
        connection: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            pooled = self._engine.raw_connection()
            self._readers.append(pooled)
            connection = self._mine.connection = cast(sqlite3.Connection, pooled.driver_connection)
        return connection

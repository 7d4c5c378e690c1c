"""The answer log of a workspace: answers in, and out again by the id of their request."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from components.answers.answered import Answered, Glance
from components.answers.sweeping import measure
from components.answers.tables import GLANCED, LAYOUT, answers, glance, losses, unpack
from components.answers.writer import Writer
from components.sqlite import open_engine

_IDS_A_QUERY = 500
_DAY = 86_400.0
_GB = 1e9


@dataclass(frozen=True)
class Kept:
    """What the log holds: how many answers, when first and last, how many were lost, bytes."""

    answers: int
    first: float | None
    last: float | None
    lost: int
    bytes: int


class AnswerLog:
    """One log, shared by the threads of a process, beside other processes that write it too."""

    def __init__(self, address: str) -> None:
        """Open it, made where it is missing; raises CorruptFileError if that is no such log."""
        self._engine = open_engine(address, LAYOUT)
        self._writer: Writer | None = None

    def begin(
        self, *, keep_days: float, max_gb: float, on_loss: Callable[[int], None] = lambda _: None
    ) -> None:
        """Take answers from now on, and delete those that are older or too much.

        `on_loss` is told how many answers had to be given up, whenever some are.
        """
        seconds, limit = keep_days * _DAY, max_gb * _GB
        self._writer = Writer(self._engine, keep_seconds=seconds, max_bytes=limit, on_loss=on_loss)

    def submit(self, answered: Answered) -> None:
        """Keep an answer, about a second later; `begin` comes first."""
        assert self._writer is not None
        self._writer.submit(answered)

    def find(self, request_id: str) -> list[Answered]:
        """Return the answers to requests of an id, oldest first."""
        return self.find_all([request_id]).get(request_id, [])

    def find_all(self, request_ids: Collection[str]) -> dict[str, list[Answered]]:
        """Return the answers to requests by their ids, oldest first; those of none are left out."""
        found: dict[str, list[Answered]] = {}
        wanted = list(dict.fromkeys(request_ids))
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), _IDS_A_QUERY):
                some: Sequence[str] = wanted[start : start + _IDS_A_QUERY]
                query = select(answers).where(answers.c.request_id.in_(some))
                for row in connection.execute(query.order_by(answers.c.at)).mappings():
                    found.setdefault(row["request_id"], []).append(unpack(row))
        return found

    def glances(self, since: float, until: float, *, most: int) -> list[Glance]:
        """Return the answers given from one moment to another, the newest so many, newest first."""
        columns = [answers.c[name] for name in GLANCED]
        query = select(*columns).where(answers.c.at >= since, answers.c.at < until)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(answers.c.at.desc()).limit(most)).mappings()
            return [glance(row) for row in rows]

    def count(self) -> Kept:
        """Return how much it holds."""
        with self._engine.connect() as connection:
            span = select(func.count(), func.min(answers.c.at), func.max(answers.c.at))
            number, first, last = connection.execute(span.select_from(answers)).one()
            lost = connection.execute(select(func.sum(losses.c.answers))).scalar() or 0
            return Kept(number, first, last, lost, measure(connection))

    def close(self) -> None:
        """Store what waits, and let the file go."""
        if self._writer is not None:
            self._writer.close()
        self._engine.dispose()

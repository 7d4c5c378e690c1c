"""The book of triggers: who asked for a retraining, in which round it was heard, what came of it.

A round is open until a run begins it; whoever asks joins the open one. Every write is one
transaction, so that a kill anywhere leaves a round open, at work or ended, and never between.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from components.sqlite import SCHEME, open_engine, write
from components.triggering.policy import Asked, Past
from components.triggering.tables import LAYOUT, asked, rounds

# So often what a round was cut off from is heard again by itself.
_MAX_TRIES = 2
CUT_OFF = "cut off"


@dataclass(frozen=True)
class Place:
    """The round that an asker is in; not `is_new` if the same was asked before by the same key."""

    round: int
    attempt: int
    is_open: bool
    is_new: bool


@dataclass(frozen=True)
class Round:
    """One round: which flow run began it, and what came of it; times are seconds since 1970."""

    number: int
    attempt: int
    opened_at: float
    begun_at: float | None
    ended_at: float | None
    flow_run: str | None
    outcome: str | None
    reason: str | None
    version: int | None
    asked: tuple[Asked, ...]


class Book:
    """The book of one workspace, shared by every process that opens it."""

    def __init__(self, file: Path) -> None:
        """Open it, made where it is missing; raises CorruptFileError if it is no such book."""
        self._engine: Engine = open_engine(f"{SCHEME}{file}", LAYOUT)

    def close(self) -> None:
        """Let the file go."""
        self._engine.dispose()

    def ask(self, one: Asked, key: str | None = None) -> Place:
        """Write down who asks, in the open round; what was asked by the same `key` stays as it is.

        Returns the round in which it is heard, or was.
        """
        with write(self._engine) as connection:
            if key is not None and (found := _find_key(connection, key)) is not None:
                return found
            number, attempt = _open_round(connection, one.at)
            connection.execute(insert(asked).values(**_to_row(one), key=key, round=number, tries=0))
            return Place(number, attempt, is_open=True, is_new=True)

    def renew(self, number: int, attempt: int) -> int:
        """Let another flow run begin an open round than the one of `attempt`; return its attempt.

        Of several who do so at once, one makes the next attempt, and all get it.
        """
        with write(self._engine) as connection:
            mine = (rounds.c.number == number) & (rounds.c.attempt == attempt)
            connection.execute(update(rounds).where(mine).values(attempt=attempt + 1))
            found = select(rounds.c.attempt).where(rounds.c.number == number)
            return int(connection.execute(found).scalar_one())

    def begin(self, flow_run: str, data_version: str, params: str, now: float) -> Round | None:
        """Begin the open round and return it with all who asked; None if nobody did."""
        with write(self._engine) as connection:
            number = _find_open(connection)
            if number is None:
                return None
            said = {"flow_run": flow_run, "data_version": data_version, "params": params}
            change = update(rounds).where(rounds.c.number == number)
            connection.execute(change.values(begun_at=now, **said))
            return _read(connection, number)

    def end(
        self,
        number: int,
        outcome: str,
        reason: str,
        *,
        now: float,
        evidence: Mapping[str, Any] | None = None,
        version: int | None = None,
        data_version: str | None = None,
    ) -> None:
        """Say what came of a round; `data_version` where feedback made it another one."""
        told = {"outcome": outcome, "reason": reason, "version": version, "ended_at": now}
        if evidence is not None:
            told["evidence"] = json.dumps(evidence, sort_keys=True)
        if data_version is not None:
            told["data_version"] = data_version
        with write(self._engine) as connection:
            change = update(rounds).where(rounds.c.number == number, rounds.c.ended_at.is_(None))
            connection.execute(change.values(told))

    def pass_on(self, number: int, now: float) -> Place | None:
        """Let all who asked in a round be heard in the open one; None if there are none.

        For a round that was skipped for the time being.
        """
        with write(self._engine) as connection:
            return _pass_on(connection, number, now, cut_off=False)

    def cut_off(self, number: int, reason: str, now: float) -> Place | None:
        """End a round whose process is gone; who asked is heard again, twice at most.

        Returns the round in which they are, None if nobody is.
        """
        with write(self._engine) as connection:
            change = update(rounds).where(rounds.c.number == number, rounds.c.ended_at.is_(None))
            told = {"outcome": CUT_OFF, "reason": reason, "ended_at": now}
            if not connection.execute(change.values(told)).rowcount:
                return None
            return _pass_on(connection, number, now, cut_off=True)

    def find(self, number: int) -> Round | None:
        """Return a round; None if there is none of that number."""
        with self._engine.connect() as connection:
            return _read(connection, number)

    def find_open(self) -> Round | None:
        """Return the round that is open, if anybody waits in it."""
        with self._engine.connect() as connection:
            number = _find_open(connection)
            return None if number is None else _read(connection, number)

    def find_key(self, key: str) -> Place | None:
        """Return the round in which something was asked by this key; None if it never was."""
        with self._engine.connect() as connection:
            return _find_key(connection, key)

    def at_work(self) -> list[Round]:
        """Return the rounds that were begun and have not ended."""
        with self._engine.connect() as connection:
            query = select(rounds.c.number).where(
                rounds.c.begun_at.is_not(None), rounds.c.ended_at.is_(None)
            )
            numbers = connection.execute(query.order_by(rounds.c.number)).scalars().all()
            return [found for number in numbers if (found := _read(connection, number))]

    def latest(self, limit: int = 5) -> list[Round]:
        """Return the rounds that were begun last, the newest first."""
        with self._engine.connect() as connection:
            query = select(rounds.c.number).where(rounds.c.begun_at.is_not(None))
            newest = query.order_by(rounds.c.number.desc()).limit(limit)
            numbers = connection.execute(newest).scalars().all()
            return [found for number in numbers if (found := _read(connection, number))]

    def past(self, limit: int = 1_000) -> tuple[Past, ...]:
        """Return what the policy needs to know of the last rounds that have ended, oldest first."""
        with self._engine.connect() as connection:
            query = select(rounds).where(
                rounds.c.ended_at.is_not(None), rounds.c.begun_at.is_not(None)
            )
            found = connection.execute(query.order_by(rounds.c.number.desc()).limit(limit)).all()
            kinds: dict[int, set[str]] = {}
            pairs = select(asked.c.round, asked.c.kind).distinct()
            for number, kind in connection.execute(pairs):
                kinds.setdefault(number, set()).add(kind)
        return tuple(_to_past(row, frozenset(kinds.get(row.number, ()))) for row in reversed(found))


def _open_round(connection: Connection, now: float) -> tuple[int, int]:
    query = select(rounds.c.number, rounds.c.attempt).where(
        rounds.c.begun_at.is_(None), rounds.c.ended_at.is_(None)
    )
    found = connection.execute(query.order_by(rounds.c.number)).first()
    if found is not None:
        return int(found.number), int(found.attempt)
    made = insert(rounds).values(opened_at=now, attempt=0).returning(rounds.c.number)
    return int(connection.execute(made).scalar_one()), 0


def _find_open(connection: Connection) -> int | None:
    query = select(func.min(rounds.c.number)).where(
        rounds.c.begun_at.is_(None),
        rounds.c.ended_at.is_(None),
        rounds.c.number.in_(select(asked.c.round)),
    )
    number: int | None = connection.execute(query).scalar()
    return number


def _find_key(connection: Connection, key: str) -> Place | None:
    joined = asked.join(rounds, asked.c.round == rounds.c.number)
    query = select(rounds.c.number, rounds.c.attempt, rounds.c.begun_at, rounds.c.ended_at)
    found = connection.execute(query.select_from(joined).where(asked.c.key == key)).first()
    if found is None:
        return None
    is_open = found.begun_at is None and found.ended_at is None
    return Place(found.number, found.attempt, is_open, is_new=False)


def _pass_on(connection: Connection, number: int, now: float, *, cut_off: bool) -> Place | None:
    mine = asked.c.round == number
    if cut_off:
        connection.execute(update(asked).where(mine).values(tries=asked.c.tries + 1))
        mine &= asked.c.tries <= _MAX_TRIES
    if not connection.execute(select(func.count()).select_from(asked).where(mine)).scalar_one():
        return None
    target, attempt = _open_round(connection, now)
    connection.execute(update(asked).where(mine).values(round=target))
    return Place(target, attempt, is_open=True, is_new=False)


def _read(connection: Connection, number: int) -> Round | None:
    found = connection.execute(select(rounds).where(rounds.c.number == number)).first()
    if found is None:
        return None
    query = select(asked).where(asked.c.round == number).order_by(asked.c.number)
    people = tuple(
        Asked(row.kind, row.reason, json.loads(row.evidence), row.at)
        for row in connection.execute(query)
    )
    return Round(
        found.number,
        found.attempt,
        found.opened_at,
        found.begun_at,
        found.ended_at,
        found.flow_run,
        found.outcome,
        found.reason,
        found.version,
        people,
    )


def _to_row(one: Asked) -> dict[str, Any]:
    evidence = json.dumps(dict(one.evidence), sort_keys=True)
    return {"kind": one.kind, "reason": one.reason, "evidence": evidence, "at": one.at}


def _to_past(row: Row[Any], kinds: frozenset[str]) -> Past:
    seconds = row.ended_at - row.begun_at
    outcome = "" if row.outcome == CUT_OFF else row.outcome
    return Past(
        row.number, kinds, row.data_version or "", row.params or "", row.begun_at, seconds, outcome
    )

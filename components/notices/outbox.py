"""The outbox: notices that Prefect has not taken yet, and what was told already.

A notice is put in before it is sent, once by its key, so that a kill or a server that is down
loses none and a repeated run tells nothing twice.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Float, MetaData, String, Table, delete, insert, select
from sqlalchemy import update as change

from components.sqlite import SCHEME, Layout, open_engine, write

metadata = MetaData()

# `state` is waiting, sent or repeated: a failure that is like the one before is not told again.
notices = Table(
    "notices",
    metadata,
    Column("key", String, primary_key=True),
    Column("event", String, nullable=False),
    Column("payload", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("state", String, nullable=False),
)

# What fails at present, by topic: the digest of the failure that was told.
standing = Table(
    "standing",
    metadata,
    Column("topic", String, primary_key=True),
    Column("digest", String, nullable=False),
)

LAYOUT = Layout("outbox of notices", "BEHOLDER_WORKSPACE", metadata, 1, "FULL")


class Standing(NamedTuple):
    """What goes on until the topic is cleared: the same digest is told once."""

    topic: str
    digest: str


@dataclass(frozen=True)
class Waiting:
    """A notice that waits: the event that tells it; `at` is seconds since 1970."""

    key: str
    event: str
    payload: dict[str, Any]
    at: float


class Outbox:
    """The outbox of one workspace, shared by every process that opens it."""

    def __init__(self, file: Path) -> None:
        """Open it, made where it is missing; raises CorruptFileError if it is no outbox."""
        self._engine = open_engine(f"{SCHEME}{file}", LAYOUT)

    def close(self) -> None:
        """Let the file go."""
        self._engine.dispose()

    def put(
        self,
        key: str,
        event: str,
        payload: Mapping[str, Any],
        at: float,
        *,
        same: Standing | None = None,
    ) -> bool:
        """Put a notice in; return whether it will be sent.

        It will not if its key is known, or if the `same` has been told and was not cleared since.
        """
        with write(self._engine) as connection:
            if connection.execute(select(notices.c.key).where(notices.c.key == key)).first():
                return False
            is_new = same is None or _stand(connection, same)
            row = {"key": key, "event": event, "payload": json.dumps(dict(payload)), "at": at}
            state = "waiting" if is_new else "repeated"
            connection.execute(insert(notices).values(**row, state=state))
            return is_new

    def clear(self, topic: str) -> None:
        """Say that nothing is wrong with a topic any more: the next failure is told."""
        with write(self._engine) as connection:
            connection.execute(delete(standing).where(standing.c.topic == topic))

    def waiting(self) -> list[Waiting]:
        """Return the notices that wait, the oldest first."""
        query = select(notices).where(notices.c.state == "waiting").order_by(notices.c.at)
        with self._engine.connect() as connection:
            return [
                Waiting(row.key, row.event, json.loads(row.payload), row.at)
                for row in connection.execute(query)
            ]

    def mark_sent(self, key: str) -> None:
        """Say that a notice was taken."""
        with write(self._engine) as connection:
            connection.execute(change(notices).where(notices.c.key == key).values(state="sent"))


def _stand(connection: Connection, now: Standing) -> bool:
    """Let a failure stand; return whether another one, or none, stood before."""
    mine = standing.c.topic == now.topic
    before = connection.execute(select(standing.c.digest).where(mine)).scalar()
    if before is None:
        connection.execute(insert(standing).values(topic=now.topic, digest=now.digest))
    elif before != now.digest:
        connection.execute(change(standing).where(mine).values(digest=now.digest))
    return bool(before != now.digest)

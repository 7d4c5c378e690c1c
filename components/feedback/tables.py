"""The tables of the feedback log, and how its SQLite file is opened so that a commit lasts."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.exc import DatabaseError

from components.errors import CorruptFileError
from components.feedback.address import find_file
from components.locking import hold_lock

# How long a writer waits for another process before it gives up.
BUSY_SECONDS = 5.0
_OPEN_SECONDS = 30
_FORMAT = 1

metadata = MetaData()

# One row a call of `beholder feedback export` that found something; open while `batch` is null.
exports = Table(
    "exports",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("begun_at", Float, nullable=False),
    Column("batch", String),
    Column("ended_at", Float),
)

# `number` grows in the order of commits; `sent` is the hash of what the sender told.
events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("caller", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("item_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("value", Float),
    Column("timestamp", Integer, nullable=False),
    Column("request_id", String),
    Column("version", String),
    Column("lineage_id", String),
    Column("sent", String, nullable=False),
    Column("stored_at", Float, nullable=False),
    Column("export", ForeignKey("exports.number")),
    UniqueConstraint("caller", "event_id"),
)
Index("events_of_user", events.c.user_id, events.c.kind, events.c.timestamp, events.c.number)
Index("events_of_export", events.c.kind, events.c.export)


def open_engine(address: str) -> Engine:
    """Return the engine of a log, whose file and tables are made where they are missing.

    Raises CorruptFileError if the file is no feedback log of this version.
    """
    file = find_file(address)
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _settle)
    try:
        with hold_lock(
            file.with_name(f"{file.name}.lock"), wait_seconds=_OPEN_SECONDS, what="the feedback log"
        ):
            # What people did is nobody else's business on this machine.
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            _lay_down(engine, file)
    except (DatabaseError, sqlite3.DatabaseError) as error:
        engine.dispose()
        raise CorruptFileError(
            f"{file} cannot be read as a feedback log ({_first_line(error)}); move it away, or "
            "restore it from a backup"
        ) from error
    return engine


def begin(connection: Connection) -> None:
    """Begin a transaction that writes; it waits for other writers now, not in the middle."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _settle(connection: sqlite3.Connection, _: object) -> None:
    # Python's own way begins a transaction late and without IMMEDIATE: we begin ours.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _lay_down(engine: Engine, file: Path) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found not in (0, _FORMAT):
            raise CorruptFileError(
                f"{file} is a feedback log of format {found}, this Beholder knows {_FORMAT}; "
                "use the Beholder that wrote it"
            )
        if found == _FORMAT:
            return
        begin(connection)
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={_FORMAT}")
        connection.commit()


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).splitlines()[0]

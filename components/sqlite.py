"""A SQLite file of our own: found by its address, made where it is missing, opened one way."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, inspect
from sqlalchemy.exc import DatabaseError

from components.errors import CorruptFileError, ParameterError
from components.locking import hold_lock

SCHEME = "sqlite:///"
# How long a writer waits for another process before it gives up.
BUSY_SECONDS = 5.0
_OPEN_SECONDS = 30


@dataclass(frozen=True)
class Layout:
    """What a file holds, for people, by which setting it is found, and how its commits last.

    FULL: whatever was committed is there after a power cut; NORMAL: the last of it may not be.
    """

    what: str
    variable: str
    metadata: MetaData
    version: int
    synchronous: Literal["FULL", "NORMAL"]


def find_address(told: str | None, own: Path, layout: Layout) -> str:
    """Return the address that a setting tells, or else that of the workspace's own file.

    Raises ParameterError if the setting names no file.
    """
    # Whole, for the endpoint may run in another folder.
    return f"{SCHEME}{own if told is None else find_file(told, layout)}"


def find_file(address: str, layout: Layout) -> Path:
    """Return the file that an address names; raise ParameterError if it names none."""
    file = address.removeprefix(SCHEME)
    if not address.startswith(SCHEME) or not file or file == ":memory:" or "?" in file:
        # What stands before an @ may be a password.
        shown = address if "@" not in address else f"{address.partition(':')[0]}://…"
        raise ParameterError(
            f"{layout.variable}: {shown!r} is no {SCHEME}PATH; the {layout.what} is a SQLite file"
        )
    return Path(file).resolve()


def open_engine(address: str, layout: Layout) -> Engine:
    """Return the engine of a file, which is made with its tables where they are missing.

    Raises CorruptFileError if the file is another one, or of another version.
    """
    file = find_file(address, layout)
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", lambda made, _: _settle(made, layout))
    try:
        with hold_lock(
            file.with_name(f"{file.name}.lock"),
            wait_seconds=_OPEN_SECONDS,
            what=f"the {layout.what}",
        ):
            # What people did is nobody else's business on this machine.
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            _lay_down(engine, file, layout)
    except (DatabaseError, sqlite3.DatabaseError) as error:
        engine.dispose()
        raise CorruptFileError(
            f"{file} cannot be read as a {layout.what} ({_first_line(error)}); move it away, or "
            "restore it from a backup"
        ) from error
    return engine


def begin(connection: Connection) -> None:
    """Begin a transaction that writes; it waits for other writers now, not in the middle."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that writes: all of it lasts, or nothing."""
    with engine.connect() as connection:
        begin(connection)
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def _settle(connection: sqlite3.Connection, layout: Layout) -> None:
    # Python's own way begins a transaction late and without IMMEDIATE: we begin ours.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA synchronous={layout.synchronous}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _lay_down(engine: Engine, file: Path, layout: Layout) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found not in (0, layout.version):
            raise CorruptFileError(
                f"{file} is a {layout.what} of format {found}, this Beholder knows "
                f"{layout.version}; use the Beholder that wrote it"
            )
        if found == layout.version:
            _check_tables(connection, file, layout)
            return
        begin(connection)
        layout.metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={layout.version}")
        connection.commit()


def _check_tables(connection: Connection, file: Path, layout: Layout) -> None:
    missing = layout.metadata.tables.keys() - set(inspect(connection).get_table_names())
    if missing:
        raise CorruptFileError(
            f"{file} is no {layout.what}: it has no table {min(missing)!r}; let {layout.variable} "
            "name a file of its own"
        )


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).splitlines()[0]

"""Which answers go: those past their time, and the oldest of too many; a portion at a time."""

import logging

from sqlalchemy import Connection, Engine, delete, func, select

from components.answers.tables import answers, losses
from components.sqlite import begin

# Rows of one transaction: other workers wait for it.
PORTION = 1_000

log = logging.getLogger(__name__)


def sweep(engine: Engine, *, before: float, max_bytes: float) -> int:
    """Delete a portion of the answers given before a moment, or else of what is too much.

    Returns how many went; 0 when nothing is left to delete.
    """
    with engine.connect() as connection:
        is_too_large = measure(connection) > max_bytes
        if not is_too_large and not _has_any(connection, before):
            return 0
        begin(connection)
        connection.execute(delete(losses).where(losses.c.at < before))
        swept = _delete(connection, before) or (is_too_large and _delete(connection)) or 0
        connection.commit()
    log.info("old answers deleted number=%d", swept)
    return swept


def measure(connection: Connection) -> int:
    """Return how many bytes of the file hold something."""
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _has_any(connection: Connection, before: float) -> bool:
    oldest = connection.execute(select(func.min(answers.c.at))).scalar()
    return oldest is not None and oldest < before


def _delete(connection: Connection, before: float | None = None) -> int:
    old = select(answers.c.number).order_by(answers.c.at).limit(PORTION)
    if before is not None:
        old = old.where(answers.c.at < before)
    return connection.execute(delete(answers).where(answers.c.number.in_(old))).rowcount

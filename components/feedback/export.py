"""Which ratings make the next batch: chosen and written down first, so that a kill changes nothing.

An export begins in one transaction that marks its ratings, and ends when the batch is named.
Whoever finds one that has begun and not ended makes the very same batch of it again.
"""

import time
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import Engine, func, insert, select, update

from components.feedback.tables import events, exports
from components.sqlite import begin


@dataclass(frozen=True)
class Export:
    """Ratings that were chosen for one batch; `ratings` is as ingest takes it, in order of arrival.

    `is_resumed` says that an earlier call chose them, and did not finish.
    """

    number: int
    ratings: pd.DataFrame
    is_resumed: bool


def begin_export(engine: Engine) -> Export | None:
    """Return the export that has begun and not ended, or else a new one of all that waits.

    None if nothing waits. One caller at a time.
    """
    with engine.connect() as connection:
        begin(connection)
        open_one = select(exports.c.number).where(exports.c.batch.is_(None))
        number = connection.execute(open_one).scalar()
        is_resumed = number is not None
        if number is None:
            waiting = (events.c.kind == "rating") & events.c.export.is_(None)
            if not connection.execute(select(func.count()).where(waiting)).scalar_one():
                connection.rollback()
                return None
            made = insert(exports).values(begun_at=time.time()).returning(exports.c.number)
            number = connection.execute(made).scalar_one()
            connection.execute(update(events).where(waiting).values(export=number))
        connection.commit()
        chosen = (
            select(events.c.user_id, events.c.item_id, events.c.value, events.c.timestamp)
            .where(events.c.kind == "rating", events.c.export == number)
            .order_by(events.c.number)
        )
        rows = connection.execute(chosen).all()
    columns = ["user_id", "item_id", "rating", "timestamp"]
    frame = pd.DataFrame([tuple(row) for row in rows], columns=columns)
    return Export(number, frame, is_resumed)


def end_export(engine: Engine, number: int, batch_id: str) -> None:
    """Note that an export's ratings are in a batch."""
    with engine.connect() as connection:
        begin(connection)
        ended = update(exports).where(exports.c.number == number)
        connection.execute(ended.values(batch=batch_id, ended_at=time.time()))
        connection.commit()

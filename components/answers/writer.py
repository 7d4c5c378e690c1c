"""Keeps answers behind the answering: a request leaves its row in a queue, a thread stores it.

Nothing here may hold a request up. So the queue is bounded; where rows come faster than the file
takes them the oldest are dropped and counted, and the count is stored with the next ones.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from sqlalchemy import Engine, insert
from sqlalchemy.exc import OperationalError

from components.answers.answered import Answered
from components.answers.sweeping import sweep
from components.answers.tables import INSERT, losses, pack
from components.sqlite import begin

# How much may wait, counted in items shown; an answer itself counts as so many more.
MAX_WAITING = 400_000
_OF_AN_ANSWER = 10
_GATHER_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_SWEEP_SECONDS = 60.0
_GROUP = 2_000
# Rows that are turned into text at a time: other threads of the worker go on in between.
_PORTION = 20

log = logging.getLogger(__name__)


class Writer:
    """Stores answers in the order in which they came, about once a second.

    Those older than `keep_seconds` go, and the oldest where the file holds more than `max_bytes`.
    `on_loss` is told how many had to be given up.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        keep_seconds: float,
        max_bytes: float,
        max_waiting: int = MAX_WAITING,
        clock: Callable[[], float] = time.time,
        on_loss: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._keep_seconds = keep_seconds
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._clock = clock
        self._on_loss = on_loss
        self._waiting: deque[Answered] = deque()
        self._weight = 0
        self._untold = 0  # of those that were lost: how many the file does not know of yet
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._hurry = threading.Event()
        self._is_ended = False
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)
        self._thread.start()

    def submit(self, answered: Answered) -> None:
        """Queue an answer, and return at once."""
        with self._lock:
            self._waiting.append(answered)
            self._weight += _weigh(answered)
            while self._weight > self._max_waiting:
                self._weight -= _weigh(self._waiting.popleft())
                self._lose(1)
        if not self._some.is_set():
            self._some.set()
        if self._weight > self._max_waiting // 2:
            self._hurry.set()

    def close(self) -> None:
        """Store what waits, if the file is to be had, and take nothing more."""
        self._is_ended = True
        self._hurry.set()
        self._some.set()
        self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        while not self._is_ended:
            self._some.wait(pause)
            if self._some.is_set():
                self._hurry.wait(_GATHER_SECONDS)
            self._some.clear()
            if not self._is_ended:
                self._hurry.clear()
            pause = self._store_all() or self._sweep()
        if self._store_all():
            log.error("answers lost number=%d", len(self._waiting) + self._untold)

    def _store_all(self) -> float:
        """Store what waits; return in how many seconds to try again, 0 if all went well."""
        while True:
            with self._lock:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _GROUP))]
                self._weight -= sum(map(_weigh, group))
                untold, self._untold = self._untold, 0
            if not group and not untold:
                return 0.0
            try:
                self._store(group, untold)
            except OperationalError as error:
                log.warning("answers wait number=%d reason=%s", len(group), error.orig)
                self._put_back(group, untold)
                return _RETRY_SECONDS
            except Exception:  # whatever it is, this thread goes on with the next ones
                log.exception("answers lost number=%d", len(group))
                with self._lock:
                    self._untold += untold
                    self._lose(len(group))
                return _RETRY_SECONDS
            if len(group) < _GROUP:
                return 0.0

    def _store(self, group: list[Answered], untold: int) -> None:
        with self._engine.connect() as connection:
            begin(connection)
            for start in range(0, len(group), _PORTION):
                rows = [pack(one) for one in group[start : start + _PORTION]]
                connection.exec_driver_sql(INSERT, rows)
            if untold:
                log.warning("answers dropped number=%d", untold)
                connection.execute(insert(losses).values(at=self._clock(), answers=untold))
            connection.commit()

    def _put_back(self, group: list[Answered], untold: int) -> None:
        with self._lock:
            self._untold += untold
            self._waiting.extendleft(reversed(group))
            self._weight += sum(map(_weigh, group))

    def _sweep(self) -> float:
        """Let a portion of what is old go; return in how many seconds to look again."""
        try:
            before = self._clock() - self._keep_seconds
            swept = sweep(self._engine, before=before, max_bytes=self._max_bytes)
        except OperationalError as error:
            log.warning("old answers stay for now reason=%s", error.orig)
            return _RETRY_SECONDS
        except Exception:
            log.exception("old answers stay for now")
            return _SWEEP_SECONDS
        return _GATHER_SECONDS if swept else _SWEEP_SECONDS

    def _lose(self, number: int) -> None:
        self._untold += number
        self._on_loss(number)


def _weigh(answered: Answered) -> int:
    return len(answered.ratings) + _OF_AN_ANSWER

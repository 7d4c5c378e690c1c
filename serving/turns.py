"""Whose turn it is: requests of a kind wait in one line, and nobody joins a line that is too long.

An event loop hides its queue: what has arrived is a thousand tasks that are all ready, and each
answer makes the others later, until every caller has given up before it is answered. Here a worker
starts an answer only when the one before is done, looks at what has arrived in between, and
refuses at once whom it could not answer soon.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

# How much the latest answer counts in the mean of their times.
_SHARE = 0.05


class Line:
    """Requests that wait for one of `places`; `patience` seconds is the longest sensible wait."""

    def __init__(self, places: int, patience: float) -> None:
        self.places = places
        self.patience = patience
        self.seconds = 0.0
        self._running = 0
        self._coming = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_called = False

    def is_full(self) -> bool:
        """Whether who joins now would, by the times of late, wait longer than is sensible."""
        ahead = self._coming + len(self._waiting) + self._running
        return ahead >= self.places and ahead * self.seconds / self.places > self.patience

    def expect(self) -> bool:
        """Whether somebody may come, who is then counted until he has had time to join.

        What the network brings at once is all seen before the first of it can join.
        """
        if self.is_full():
            return False
        if not self._coming:
            asyncio.get_running_loop().call_soon(self._forget)
        self._coming += 1
        return True

    async def join(self) -> float:
        """Wait for a place, and return when it was taken; it must be given back by `leave`.

        Even a free place is taken a moment later, so that what has arrived meanwhile is seen.
        """
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._call()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free()
            raise
        return time.perf_counter()

    def leave(self, since: float) -> None:
        """Give a place back that was taken at a moment."""
        self.seconds += _SHARE * (time.perf_counter() - since - self.seconds)
        self._free()

    def _forget(self) -> None:
        self._coming = 0

    def _free(self) -> None:
        self._running -= 1
        self._call()

    def _call(self) -> None:
        if self._waiting and self._running < self.places and not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._is_called = False
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # who has hung up is cancelled
                self._running += 1
                turn.set_result(None)
                break
        self._call()


class Turns:
    """ASGI: answers the requests of each line when it is their turn; the others at once."""

    def __init__(self, app: ASGIApp, lines: Mapping[str, Line]) -> None:
        """Take the line of each path that has one."""
        self.app = app
        self.lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        line = self.lines.get(scope["path"]) if scope["type"] == "http" else None
        if line is None:
            await self.app(scope, receive, send)
            return
        since = await line.join()
        try:
            await self.app(scope, receive, send)
        finally:
            line.leave(since)

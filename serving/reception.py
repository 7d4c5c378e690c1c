"""The outermost layer: a request gets its id, is counted and timed, or hears that all are busy."""

import time
from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.asked import Asked, begin, read_id
from serving.door import answer_error
from serving.listener import Headers, Refused, TurnedAway
from serving.metrics import Meter, route_of
from serving.turns import Line

_BUSY = Refused(
    HTTPStatus.TOO_MANY_REQUESTS,
    "too many requests at once; try again in a second",
    [(b"retry-after", b"1")],
)
# A connection stays with the worker that took it, and a burst of them with one worker. So every
# so many answers a caller is asked to connect again: who has nothing to do takes him sooner.
_ANSWERS_A_CONNECTION = 256
_CLOSE = (b"connection", b"close")


class Reception:
    """ASGI: names, counts and times every request; refuses who would wait too long in a line."""

    def __init__(self, app: ASGIApp, lines: Mapping[str, Line], meter: Meter) -> None:
        """Take the line of each path that has one."""
        self.app = app
        self.lines = lines
        self.meter = meter
        self._asked = 0

    def turn_away(self, path: str, headers: Headers) -> TurnedAway | None:
        """Return what a request hears for which no task need begin; None: let it come in."""
        line = self.lines.get(path)
        if line is None or line.expect():
            return None
        self.meter.count_request(route_of(path), HTTPStatus.TOO_MANY_REQUESTS, 0)
        return _BUSY, Asked(read_id(headers)).headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = begin(scope["headers"])
        self._asked += 1
        named = _Named(send, asked, is_last=self._asked % _ANSWERS_A_CONNECTION == 0)
        line = self.lines.get(scope["path"])
        try:
            if line is not None and line.is_full():
                await answer_error(named, _BUSY.status, _BUSY.sentence, _BUSY.headers)
            else:
                await self.app(scope, receive, named)
        finally:
            self._count(route_of(scope["path"]), asked, named.status)

    def _count(self, route: str, asked: Asked, status: int) -> None:
        self.meter.count_request(route, status, time.perf_counter() - asked.started)
        if asked.release is not None and asked.path is not None:
            self.meter.count_answer(route, asked.release.manifest.version, asked.path)


class _Named:
    """Tells on every answer its request, and the model and lineage that it came from.

    The last one of a connection says so.
    """

    def __init__(self, send: Send, asked: Asked, *, is_last: bool) -> None:
        self._send = send
        self._asked = asked
        self._is_last = is_last
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [*self._asked.headers(), *([_CLOSE] if self._is_last else [])]
            message = {**message, "headers": [*message["headers"], *own]}
        await self._send(message)

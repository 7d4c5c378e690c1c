"""How a worker listens: bounds on what comes before a body, its bytes and the time it takes.

The door bounds bodies, but sees a request only once its head is whole; uvicorn's own reader waits
for that without end, and keeps whatever is sent meanwhile. Who is refused because all are busy is
refused here, where that costs a part of what it costs once a task has begun.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.refusal import write_error

_HEAD_BYTES = 64 << 10
_HEAD_SECONDS = 20.0
# What is read at once; it may hold a head, and the beginning of a body.
_READ_BYTES = 256 << 10
# Who still sends when the connection is closed may never see what was said.
_LINGER_SECONDS = 1.0


# The body of a refused request is read with its head, and must fit beside it.
_BODY_BYTES = 1 << 16
_CLOSE = (b"connection", b"close")

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Refused:
    """What callers hear instead of an answer."""

    status: HTTPStatus
    sentence: str
    headers: Headers = field(default_factory=list)

    def write(self, more: Headers) -> bytes:
        """Return it as HTTP/1.1, with some headers more."""
        start, end = self._parts
        return b"".join([start, *[b"%b: %b\r\n" % header for header in more], end])

    @cached_property
    def _parts(self) -> tuple[bytes, bytes]:
        body = write_error(self.sentence)
        start = b"HTTP/1.1 %d %b\r\n" % (self.status, self.status.phrase.encode())
        told = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        own = b"".join([b"%b: %b\r\n" % header for header in [*self.headers, *told]])
        return start, own + b"\r\n" + body


# What a request hears, and what it hears beside that of itself.
TurnedAway = tuple[Refused, Headers]


class Listener(HttpToolsProtocol):
    """One connection, closed where the next request's head is too long in size or in time."""

    head_bytes = _HEAD_BYTES
    head_seconds = _HEAD_SECONDS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._is_in_head = True
        self._head = self._read = 0
        self._timer: asyncio.TimerHandle | None = None
        self._refused: TurnedAway | None = None
        self._is_deaf = False

    def turn_away(self, path: str, headers: Headers) -> TurnedAway | None:
        """Return what a request hears at once; None lets it in."""
        return None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head has become too large."""
        if self._is_deaf:
            return
        if self._is_in_head:
            self._read += len(data)
            # One that goes on and on, as a single line may; others are counted line by line.
            if self._read > self.head_bytes + _READ_BYTES:
                self._refuse_head()
                return
        super().data_received(data)
        if self._is_in_head and self._read:
            self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head, while it is not too large."""
        self._head += len(name) + len(value) + len(b": \r\n")
        if self._head > self.head_bytes and not self._is_deaf:
            self._refuse_head()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Leave the body to the door, unless the request is turned away."""
        if self._is_deaf:
            return
        if self._is_plain():
            path = self.url.partition(b"?")[0].decode("latin-1")
            self._refused = self.turn_away(path, self.headers)
            if self._refused is not None:
                return
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a body on, if somebody wants it."""
        if self._refused is None and not self._is_deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect another head."""
        if self._is_deaf:
            return
        if self._refused is None:
            super().on_message_complete()
        else:
            self._stop_waiting()
            self._say(*self._refused)
            self._refused = None
        self._is_in_head = True
        self._head = self._read = 0

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the form that all errors have."""
        self._refuse(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request")

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        sentence = f"the request's head was not whole after {self.head_seconds:g} seconds"
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, sentence)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_plain(self) -> bool:
        """Whether this is a request with a small body, and an answer, and none before it."""
        if not self._is_idle() or self.expect_100_continue or self.parser.should_upgrade():
            return False
        told = dict(self.headers)
        length = told.get(b"content-length", b"0")
        is_small = len(length) < 6 and length.isdigit() and int(length) <= _BODY_BYTES
        return is_small and b"transfer-encoding" not in told and self.parser.get_method() != b"HEAD"

    def _say(self, refused: Refused, own: Headers) -> None:
        """Answer a request whole that was turned away, and keep the connection if it may be."""
        keeps = self.parser.should_keep_alive()
        more = [] if keeps else [_CLOSE]
        self.transport.write(refused.write([*self.server_state.default_headers, *own, *more]))
        if keeps:
            self.on_response_complete()
        else:
            self.transport.close()

    def _refuse_head(self) -> None:
        sentence = f"the request's head is larger than {self.head_bytes >> 10} KiB"
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Close the connection; say why where something was asked, and no answer is under way."""
        self._stop_waiting()
        self._is_deaf = True
        if not (self._read and self._is_idle()):
            self.transport.close()
            return
        self.transport.write(Refused(status, sentence).write([_CLOSE]))
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)


def listen_within_bounds(turn_away: Callable[[str, Headers], TurnedAway | None]) -> None:
    """Let uvicorn, whose settings BentoML keeps to itself, take this listener in this process."""
    from uvicorn.protocols.http import auto

    class Bounded(Listener):
        def turn_away(self, path: str, headers: Headers) -> TurnedAway | None:
            return turn_away(path, headers)

    auto.AutoHTTPProtocol = Bounded

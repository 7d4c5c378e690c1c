"""How a worker listens: bounds on what comes before a body, its bytes and the time it takes.

The door bounds bodies, but sees a request only once its head is whole; uvicorn's own reader waits
for that without end, and keeps whatever is sent meanwhile.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.refusal import write_error

# What is read at once may hold the beginning of a body too, so this is no fine measure.
_HEAD_BYTES = 1 << 20
_HEAD_SECONDS = 20.0


class Listener(HttpToolsProtocol):
    """One connection, closed where the next request's head is too long in size or in time."""

    head_bytes = _HEAD_BYTES
    head_seconds = _HEAD_SECONDS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._is_in_head = True
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None

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
        if self._is_in_head:
            self._wait()
            self._head += len(data)
            if self._head > self.head_bytes:
                sentence = f"the request's head is larger than {self.head_bytes:,} bytes"
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Leave the body to the door."""
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect another head."""
        super().on_message_complete()
        self._is_in_head = True
        self._head = 0

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

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Close the connection; say why where something was asked, and no answer is under way."""
        self._stop_waiting()
        if self._head and (self.cycle is None or self.cycle.response_complete):
            body = write_error(sentence)
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


def listen_within_bounds() -> None:
    """Let uvicorn, whose settings BentoML keeps to itself, take this listener in this process."""
    from uvicorn.protocols.http import auto

    auto.AutoHTTPProtocol = Listener

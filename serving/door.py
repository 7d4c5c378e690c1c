"""The door: what comes in is bounded in size and time, what goes out as an error is one sentence.

It stands outside of BentoML's own layers, so that a slow body holds no place among the requests
being answered, and no refusal, wherever it comes from, looks different from the others.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.refusal import Refusal, listen, write_error

_SENTENCES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "the request is not understood",
    HTTPStatus.NOT_FOUND: "there is nothing at this address; /docs.json lists what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address does not take this method",
    HTTPStatus.TOO_MANY_REQUESTS: "too many requests at once; try again",
    HTTPStatus.SERVICE_UNAVAILABLE: "the server is not ready to answer; try again",
    HTTPStatus.GATEWAY_TIMEOUT: "the answer took too long; try again",
}
log = logging.getLogger(__name__)

# For a page that brings none of its own: nothing from elsewhere, whatever it asks for.
_PAGE_POLICY = (b"content-security-policy", b"default-src 'self' 'unsafe-inline' data:")
_TOO_MUCH = "too much is being sent at once; try again in a second"
_FAILED = "the server failed to answer; its log says why"


@dataclass(frozen=True)
class Limits:
    """What a body may be: bytes as JSON, bytes as a form with files, seconds until it is whole.

    `all_bytes` is what all bodies that are being read or answered may hold together.
    """

    json_bytes: int = 4 << 20
    form_bytes: int = 16 << 20
    all_bytes: int = 256 << 20
    seconds: float = 20.0


class RefusedError(Exception):
    """A body that is not let in."""

    def __init__(
        self, status: HTTPStatus, sentence: str, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = [(b"connection", b"close"), *headers]


class GoneError(Exception):
    """The caller hung up before the body was whole."""


class Door:
    """ASGI: lets whole bodies in within their limits, and gives all errors one form."""

    def __init__(self, app: ASGIApp, limits: Limits | None = None) -> None:
        self.app = app
        self.limits = limits or Limits()
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held = _Held(self)
        try:
            body = await self._read(scope, receive, held)
            await self.app(scope, _replay(body, receive), _ErrorShaper(send, listen()))
        except RefusedError as refused:
            log.info("request refused path=%s status=%s", scope["path"], int(refused.status))
            await answer_error(send, refused.status, refused.sentence, refused.headers)
        except GoneError:
            return
        finally:
            held.release()

    def hold(self, size: int) -> None:
        """Count bytes of a body; raise RefusedError where all bodies hold too much."""
        if self._held + size > self.limits.all_bytes:
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, _TOO_MUCH, [(b"retry-after", b"1")])
        self._held += size

    def release(self, size: int) -> None:
        """Count bytes of a body that is gone."""
        self._held -= size

    async def _read(self, scope: Scope, receive: Receive, held: "_Held") -> bytes:
        headers = dict(scope["headers"])
        form = headers.get(b"content-type", b"").lower().startswith(b"multipart/")
        limit = self.limits.form_bytes if form else self.limits.json_bytes
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await _receive_all(receive, limit, held)
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body was not whole after {self.limits.seconds:g} seconds",
            ) from None


class _Held:
    """What one body holds of the memory that all may hold."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._size = 0

    def add(self, size: int) -> None:
        self._door.hold(size)
        self._size += size

    def release(self) -> None:
        self._door.release(self._size)
        self._size = 0


class _ErrorShaper:
    """Passes answers through; holds an error back until it is whole, and sends one sentence."""

    def __init__(self, send: Send, said: list[Refusal]) -> None:
        self._send = send
        self._said = said
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
            return
        if message["type"] == "http.response.start" and _needs_policy(message):
            message = {**message, "headers": [*message["headers"], _PAGE_POLICY]}
        if self._start is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            status = self._start["status"]
            kept = [
                (name, value)
                for name, value in self._start["headers"]
                if name.lower() not in (b"content-length", b"content-type")
            ]
            said = [str(one) for one in self._said if one.error_code == status]
            sentence = said[-1] if said else sentence_for(status, self._body)
            await answer_error(self._send, status, sentence, kept)
            self._start = None


def _needs_policy(start: Message) -> bool:
    """Whether this is a page that says nothing itself of what it may fetch."""
    headers = {name.lower(): value.lower() for name, value in start["headers"]}
    is_page = headers.get(b"content-type", b"").startswith(b"text/html")
    return is_page and _PAGE_POLICY[0] not in headers


def sentence_for(status: int, body: bytes) -> str:
    """Return what a caller may read of an error: its own words below 500, ours from there on."""
    fixed = _SENTENCES.get(status, _FAILED if status >= 500 else "refused")
    if status >= 500:
        return fixed
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return fixed
    if isinstance(content, list) and len(content) == 1:  # BentoML wraps its errors so
        content = content[0]
    error = content.get("error") if isinstance(content, dict) else None
    return error if isinstance(error, str) and error else fixed


async def answer_error(
    send: Send, status: int, sentence: str, headers: list[tuple[bytes, bytes]]
) -> None:
    """Send an error in the one form that all of ours have."""
    body = write_error(sentence)
    own = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": [*headers, *own]})
    await send({"type": "http.response.body", "body": body})


async def _receive_all(receive: Receive, limit: int, held: _Held) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        held.add(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> dict[str, Any]:
        nonlocal sent
        if sent:
            return dict(await receive())
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _too_large(limit: int) -> RefusedError:
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is larger than {limit / (1 << 20):g} MiB",
    )

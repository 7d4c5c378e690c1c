"""Who may ask: a key where one is needed, its scope, and how often; all before a body is read."""

import logging
import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from components.hosts import is_local
from components.keys import KeyRing
from serving.allowance import Allowance
from serving.door import answer_error
from serving.scopes import OPEN, scope_of

# The name of the key by which this request came in, "" where none was needed.
caller: ContextVar[str] = ContextVar("caller", default="")

log = logging.getLogger(__name__)

_BEARER = "bearer "


@dataclass(frozen=True)
class Denial:
    """Why a request is not let in, and how many seconds to wait where that helps."""

    status: HTTPStatus
    sentence: str
    wait_seconds: float = 0.0


class Guard:
    """ASGI: lets in whoever may ask.

    `is_required` is as for `asks_for_key`.
    """

    def __init__(
        self,
        app: ASGIApp,
        ring: KeyRing,
        allowance: Allowance,
        is_required: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self._ring = ring
        self._allowance = allowance
        self._is_required = is_required
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if not asks_for_key(scope, self._is_required):
            await self.app(scope, receive, send)
            return
        verdict = self.judge(scope["path"], read_token(scope["headers"]))
        if isinstance(verdict, Denial):
            if scope["type"] == "websocket":  # we have none: close it unopened
                await send({"type": "websocket.close", "code": 1008})
                return
            log.info("request denied path=%s status=%s", scope["path"], int(verdict.status))
            await answer_error(send, verdict.status, verdict.sentence, _headers(verdict))
            return
        token = caller.set(verdict)
        try:
            await self.app(scope, receive, send)
        finally:
            caller.reset(token)

    def judge(self, path: str, token: str | None) -> Denial | str:
        """Return the name of the key that may ask here now ("" if none is needed), or why not."""
        needed = scope_of(path)
        if needed == OPEN:
            return ""
        now = self._clock()
        if token is None:
            return Denial(HTTPStatus.UNAUTHORIZED, self._explain(now))
        key = self._ring.find(token, now)
        if key is None:
            return Denial(HTTPStatus.UNAUTHORIZED, "this key is unknown, or was revoked")
        if needed not in key.scopes:
            has = ", ".join(key.scopes)
            return Denial(
                HTTPStatus.FORBIDDEN,
                f"the key {key.name!r} has no scope {needed!r}, which this address asks for; it "
                f"has {has}",
            )
        wait = self._allowance.ask(key, now)
        if wait > 0:
            return Denial(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"the key {key.name!r} may ask {key.rate} only; try again in {math.ceil(wait)} s",
                wait,
            )
        return key.name

    def _explain(self, now: float) -> str:
        if self._ring.is_empty(now):
            return "a key is needed here, and there is none yet; 'beholder keys make' makes one"
        return "a key is needed here; send it as 'Authorization: Bearer KEY'"


def asks_for_key(scope: Scope, is_required: bool | None) -> bool:
    """Whether a request needs a key: as set, or (None) where it does not come in by loopback."""
    if is_required is not None:
        return is_required
    server = scope.get("server")
    return server is None or not is_local(str(server[0]))


def read_token(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return the token that a request carries, None without one."""
    told = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
    authorization = told.get(b"authorization", "")
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    return told.get(b"x-api-key")


def _headers(denial: Denial) -> list[tuple[bytes, bytes]]:
    headers = [(b"connection", b"close")]
    if denial.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if denial.wait_seconds:
        headers.append((b"retry-after", str(math.ceil(denial.wait_seconds)).encode()))
    return headers

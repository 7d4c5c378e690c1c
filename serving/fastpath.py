"""Answers some addresses by plain functions, before BentoML's layers cost more than the answer.

What it answers, and how it refuses, is what BentoML would: the same schemas, the same functions.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.asked import now
from serving.inputs import JSON, parse_json
from serving.refusal import Refusal, write_error

log = logging.getLogger(__name__)

_HEADERS = [(b"content-type", JSON.encode())]


@dataclass(frozen=True)
class Quick:
    """One address: the body that it takes, and the function that answers it."""

    body: type[BaseModel]
    answer: Callable[[Any], BaseModel | Awaitable[BaseModel]]


class FastPath:
    """ASGI: whole JSON bodies in, whole JSON bodies out; the rest goes on to `app`."""

    def __init__(self, app: ASGIApp, quick: Mapping[str, Quick]) -> None:
        self.app = app
        self.quick = quick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        quick = self.quick.get(scope["path"]) if scope["type"] == "http" else None
        if quick is None or scope["method"] != "POST" or not _is_json(scope):
            await self.app(scope, receive, send)
            return
        message = await receive()  # the door lets whole bodies in only
        try:
            request = parse_json(quick.body, message.get("body", b""))
            answer = quick.answer(request)
            whole = await answer if inspect.isawaitable(answer) else answer
            status, body = HTTPStatus.OK, whole.model_dump_json().encode()
        except Refusal as refusal:
            status, body = HTTPStatus(refusal.error_code), write_error(str(refusal))
        except Exception:  # the caller learns no more than that it failed
            log.exception("answer failed path=%s request=%s", scope["path"], _name_request())
            status, body = HTTPStatus.INTERNAL_SERVER_ERROR, b"{}"
        headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _name_request() -> str:
    asked = now()
    return "unknown" if asked is None else asked.request_id


def _is_json(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bool(value.split(b";")[0].strip().lower() in (b"", JSON.encode()))
    return True

import asyncio
import json
from http import HTTPStatus
from typing import Any

import pytest
from pydantic import BaseModel

from serving.fastpath import FastPath, Quick
from serving.refusal import Refusal
from serving.schemas.answers import Origin
from serving.schemas.requests import SimilarRequest


def echo(request: SimilarRequest) -> BaseModel:
    if request.item_id == "gone":
        raise Refusal(HTTPStatus.NOT_FOUND, "item_id: no item is called 'gone'")
    if request.item_id == "odd":
        raise ZeroDivisionError("secret")
    return Origin(version="7", lineage_id=request.item_id)


async def slow(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"BentoML"})


def ask(
    body: bytes, *, path: str = "/similar", method: str = "POST", kind: bytes | None = None
) -> tuple[int, bytes]:
    app = FastPath(slow, {"/similar": Quick(SimilarRequest, echo)})
    return drive(app, body, path, method, kind)


def drive(app: Any, body: bytes, path: str, method: str, kind: bytes | None) -> tuple[int, bytes]:
    headers = [] if kind is None else [(b"content-type", kind)]
    scope = {"type": "http", "path": path, "method": method, "headers": headers}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert (
        dict(sent[0]["headers"]).get(b"content-length", b"7") == str(len(sent[1]["body"])).encode()
    )
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("kind", [None, b"application/json", b"Application/JSON; charset=utf-8"])
def test_json_is_answered_by_the_function(kind: bytes | None):
    status, body = ask(b'{"item_id": "x"}', kind=kind)
    assert (status, json.loads(body)) == (
        200,
        {"version": "7", "lineage_id": "x", "catalogue": None},
    )


@pytest.mark.parametrize(
    ("path", "method", "kind"),
    [
        ("/similar", "GET", None),
        ("/other", "POST", None),
        ("/similar", "POST", b"multipart/form-data; boundary=x"),
    ],
)
def test_anything_else_goes_to_bentoml(path: str, method: str, kind: bytes | None):
    assert ask(b"{}", path=path, method=method, kind=kind) == (299, b"BentoML")


def test_wrong_body_is_refused_in_a_sentence():
    status, body = ask(b'{"item_id": "x", "k": 0}')
    assert status == 422
    assert "k: 0 is less than 1" in json.loads(body)["error"]
    assert ask(b"")[0] == 400


def test_refusal_keeps_its_status_and_a_failure_tells_nothing(caplog: pytest.LogCaptureFixture):
    assert ask(b'{"item_id": "gone"}')[0] == 404
    status, body = ask(b'{"item_id": "odd"}')
    assert (status, body) == (500, b"{}")
    assert "secret" in caplog.text

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.door import Door, Limits, sentence_for

LIMITS = Limits(json_bytes=100, form_bytes=1000, seconds=0.05)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def failing(status: int, body: bytes) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain"), (b"retry-after", b"1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": body[half:]})

    return app


def chunked(*chunks: bytes) -> Any:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = False
    remaining = iter(messages)

    async def receive() -> Any:
        return next(remaining)

    return receive


def knock(app: Any, receive: Any, **headers: str) -> list[Any]:
    sent: list[Any] = []
    scope = {
        "type": "http",
        "path": "/recommend",
        "headers": [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()],
    }

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Door(app, LIMITS)(scope, receive, send))
    return sent


def status_and_error(sent: list[Any]) -> tuple[int, str]:
    assert len(sent) == 2
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == str(len(sent[1]["body"])).encode()
    return sent[0]["status"], json.loads(sent[1]["body"])["error"]


def test_whole_body_within_its_limit_reaches_the_application():
    sent = knock(echo, chunked(b"a" * 50, b"b" * 50))
    assert sent[1]["body"] == b"a" * 50 + b"b" * 50


def test_declared_size_over_the_limit_is_refused_unread():
    async def receive() -> Any:
        raise AssertionError("the body was read")

    status, error = status_and_error(knock(echo, receive, content_length="101"))
    assert status == 413
    assert "larger" in error


def test_body_that_grows_over_the_limit_is_refused():
    status, _ = status_and_error(knock(echo, chunked(b"a" * 60, b"b" * 60)))
    assert status == 413


def test_body_larger_than_it_declares_is_refused():
    status, _ = status_and_error(knock(echo, chunked(b"a" * 200), content_length="5"))
    assert status == 413


def test_absurd_declared_size_is_refused():
    status, _ = status_and_error(knock(echo, chunked(b""), content_length="9" * 5000))
    assert status == 413


def test_form_may_be_larger_than_json():
    sent = knock(echo, chunked(b"a" * 500), content_type="multipart/form-data; boundary=x")
    assert sent[0]["status"] == 200


def test_body_that_never_ends_is_refused_in_time():
    async def receive() -> Any:
        await asyncio.Event().wait()

    status, error = status_and_error(knock(echo, receive))
    assert status == 408
    assert "0.05 seconds" in error


def test_caller_who_hangs_up_gets_no_answer():
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    assert knock(echo, receive) == []


def test_other_scopes_pass_untouched():
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    asyncio.run(Door(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == [({"type": "lifespan"}, None, None)]


@pytest.mark.parametrize("body", [b'{"error": "k: too large"}', b'[{"error": "k: too large"}]'])
def test_refusal_of_the_application_keeps_its_sentence(body: bytes):
    sent = knock(failing(422, body), chunked(b""))
    assert status_and_error(sent) == (422, "k: too large")
    assert dict(sent[0]["headers"])[b"retry-after"] == b"1"


def test_failure_of_the_application_tells_nothing_of_it():
    trace = b'{"error": "Traceback: File /home/someone/secret.py"}'
    status, error = status_and_error(knock(failing(500, trace), chunked(b"")))
    assert status == 500
    assert error == "the server failed to answer; its log says why"


@pytest.mark.parametrize("status", [404, 405, 429, 503, 504])
def test_plain_errors_get_a_sentence(status: int):
    told, error = status_and_error(knock(failing(status, b"Not Found"), chunked(b"")))
    assert told == status
    assert "Not Found" not in error
    assert " " in error


@given(status=st.sampled_from([400, 404, 413, 418, 422, 500, 502, 503, 599]), body=st.binary())
def test_any_error_body_becomes_one_sentence(status: int, body: bytes):
    sentence = sentence_for(status, body)
    assert isinstance(sentence, str)
    assert sentence


def test_bodies_together_hold_no_more_than_they_may():
    held = asyncio.Event()
    limits = Limits(json_bytes=100, all_bytes=150, seconds=5)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await held.wait()
        await echo(scope, receive, send)

    async def main() -> list[int]:
        door = Door(slow, limits)
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {"type": "http", "path": "/recommend", "headers": []}
        first = asyncio.create_task(door(scope, chunked(b"x" * 60, b"x" * 40), send))
        await asyncio.sleep(0)
        await door(scope, chunked(b"y" * 60), send)  # refused, for the first still holds its own
        held.set()
        await first
        await door(scope, chunked(b"y" * 100), send)
        return statuses

    assert asyncio.run(main()) == [429, 200, 200]

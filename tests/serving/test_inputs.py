import asyncio
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from serving.inputs import form_input, json_input, parse_json
from serving.refusal import Refusal
from serving.schemas.requests import (
    PredictByImageRequest,
    RecommendByImageRequest,
    RecommendRequest,
)


def read(descriptor: Any, content: bytes, content_type: str | None) -> Any:
    headers = [(b"content-type", content_type.encode())] if content_type else []
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "app": None}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    return asyncio.run(descriptor.from_http_request(Request(scope, receive), None))


def read_form(model: Any, **parts: Any) -> Any:
    encoded = httpx.Request("POST", "http://x", **parts)
    return read(form_input(model), encoded.read(), encoded.headers["content-type"])


def refusal_of(call: Any, *arguments: Any, **named: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*arguments, **named)
    return caught.value


@pytest.mark.parametrize("content_type", [None, "application/json", "Application/JSON; charset=x"])
def test_json_body_becomes_the_request(content_type: str | None):
    request = read(json_input(RecommendRequest), b'{"user_id": "u1", "k": 3}', content_type)
    assert (request.user_id, request.k) == ("u1", 3)


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"", HTTPStatus.BAD_REQUEST, "body is empty"),
        (b"{", HTTPStatus.BAD_REQUEST, "Invalid JSON"),
        (b"\xff\xfe", HTTPStatus.BAD_REQUEST, "Invalid JSON"),
        (b"[" * 10_000, HTTPStatus.BAD_REQUEST, "recursion limit"),
        (b"[]", HTTPStatus.UNPROCESSABLE_ENTITY, "object"),
        (b'{"k": 0}', HTTPStatus.UNPROCESSABLE_ENTITY, "k: 0 is less than 1"),
        (b'{"k": 0, "x": 1}', HTTPStatus.UNPROCESSABLE_ENTITY, "(and 1 more)"),
    ],
)
def test_wrong_json_is_refused_in_a_sentence(content: bytes, status: HTTPStatus, sentence: str):
    refusal = refusal_of(parse_json, RecommendRequest, content)
    assert refusal.error_code == status
    assert sentence in str(refusal)


def test_refusal_repeats_no_value_and_stays_short():
    body = b'{"' + b"k" * 5000 + b'": "secret-value"}'
    sentence = str(refusal_of(parse_json, RecommendRequest, body))
    assert "secret-value" not in sentence
    assert len(sentence) <= 300


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_type_than_json_is_refused(content_type: str):
    refusal = refusal_of(read, json_input(RecommendRequest), b"{}", content_type)
    assert refusal.error_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def test_json_where_a_form_belongs_is_refused():
    refusal = refusal_of(read, form_input(RecommendByImageRequest), b"{}", "application/json")
    assert refusal.error_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def test_form_carries_the_picture_and_fields():
    request = read_form(
        RecommendByImageRequest,
        files={"image": b"\x00\x01"},
        data={"user_id": "196", "k": "3", "exclude": ["i1", "i2"]},
    )
    assert request.image == [b"\x00\x01"]
    assert (request.user_id, request.k, request.exclude) == ("196", 3, ["i1", "i2"])


def test_form_fields_as_json_mean_the_same():
    request = read_form(
        RecommendByImageRequest,
        files={"image": b"?"},
        data={"user_id": '"196"', "k": "3", "exclude": '["i1", "i2"]'},
    )
    assert (request.user_id, request.k, request.exclude) == ("196", 3, ["i1", "i2"])


def test_a_single_user_is_a_list_of_one():
    request = read_form(PredictByImageRequest, files={"image": b"?"}, data={"user_ids": "u1"})
    assert request.user_ids == ["u1"]


def test_text_where_the_picture_belongs_is_refused_and_never_fetched():
    refusal = refusal_of(
        read_form,
        PredictByImageRequest,
        files={"other": b"?"},
        data={"image": "http://127.0.0.1:1/secret", "user_ids": "u1"},
    )
    assert "where a file belongs" in str(refusal)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"files": {"picture": b"?"}}, "image: missing"),
        ({"files": {"image": b"?", "user_id": b"u1"}}, "user_id: a file, where text belongs"),
        ({"files": {"image": b"?"}, "data": {"k": ["1", "2"]}}, "k: sent more than once"),
        ({"files": {"image": b"?"}, "data": {"k": "x"}}, "k: not a whole number"),
        ({"files": {"image": b"?"}, "data": {"nonsense": "1"}}, "nonsense: there is no such field"),
    ],
)
def test_wrong_form_is_refused_in_a_sentence(parts: dict[str, Any], sentence: str):
    refusal = refusal_of(read_form, RecommendByImageRequest, **parts)
    assert sentence in str(refusal)
    assert refusal.error_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"--x\r\n", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=x"),
        (b"garbage", "multipart/form-data; boundary=x"),
        (b"--x\r\ncontent-disposition: form-data; na", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n?\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    ],
)
def test_broken_form_is_refused(content: bytes, content_type: str):
    refusal = refusal_of(read, form_input(RecommendByImageRequest), content, content_type)
    assert refusal.error_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)

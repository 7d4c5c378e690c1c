import json
import socket
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
import uvicorn

from serving.listener import Headers, Listener, Refused, TurnedAway

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


class Short(Listener):
    head_bytes = 120_000
    head_seconds = 0.3

    def turn_away(self, path: str, headers: Headers) -> TurnedAway | None:
        if path != "/busy":
            return None
        own = [(b"x-request-id", dict(headers).get(b"x-request-id", b""))]
        return Refused(HTTPStatus.TOO_MANY_REQUESTS, "busy", [(b"retry-after", b"1")]), own


@pytest.fixture(scope="module")
def connect() -> Iterator[Callable[[], socket.socket]]:
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    config = uvicorn.Config(
        echo, http=Short, lifespan="off", log_config=None, timeout_keep_alive=30
    )
    server = Server(config)
    with socket.create_server(("127.0.0.1", 0)) as place:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
        thread.start()
        assert started.wait(30)
        yield lambda: socket.create_connection(place.getsockname(), timeout=30)
        server.should_exit = True
        thread.join()


def read(line: socket.socket, end: bytes = b"") -> bytes:
    """Return what comes until the connection closes, or until these bytes."""
    heard = b""
    while not (end and heard.endswith(end)):
        try:
            chunk = line.recv(1 << 16)
        except ConnectionResetError:
            break
        if not chunk:
            break
        heard += chunk
    return heard


def error_of(told: bytes) -> str:
    head, _, body = told.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    return str(json.loads(body)["error"])


def test_head_that_is_never_whole_is_given_up_with_a_word(connect: Any):
    with connect() as line:
        line.sendall(HEAD)
        told = read(line)
    assert told.startswith(b"HTTP/1.1 408")
    assert "not whole after 0.3 seconds" in error_of(told)


def test_caller_who_never_says_a_word_is_hung_up_on(connect: Any):
    with connect() as line:
        assert read(line) == b""


@pytest.mark.parametrize("lines", [1, 50], ids=["one line", "many lines"])
def test_head_that_is_too_large_is_told_so(connect: Any, lines: int):
    line_ = b"x: " + b"y" * (200_000 // lines) + b"\r\n"
    with connect() as line:
        line.sendall(HEAD + line_ * lines + b"\r\n")
        told = read(line)
    assert told.startswith(b"HTTP/1.1 431")
    assert error_of(told) == "the request's head is larger than 117 KiB"


def test_head_that_grows_without_end_is_cut_off(connect: Any):
    with connect() as line:
        line.sendall(HEAD + b"x: " + b"y" * 2_000_000)
        told = read(line)
    assert told.startswith(b"HTTP/1.1 431")


def test_what_is_no_http_gets_an_error_of_our_form(connect: Any):
    with connect() as line:
        line.sendall(b"\x16\x03\x01\x00")
        told = read(line)
    assert told.startswith(b"HTTP/1.1 400")
    assert error_of(told) == "this is no HTTP/1.1 request"


def test_body_may_be_slower_and_larger_than_a_head(connect: Any):
    body = b"z" * 1_000_000
    with connect() as line:
        line.sendall(HEAD + b"content-length: 1000000\r\n\r\n" + body[:5])
        line.settimeout(0.6)  # twice as long as a head may take
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(30)
        line.sendall(body[5:])
        assert read(line, body).endswith(b"\r\n\r\n" + body)


def test_connection_that_is_kept_is_bounded_anew_for_each_request(connect: Any):
    request = HEAD + b"x: " + b"y" * 100_000 + b"\r\ncontent-length: 2\r\n\r\n{}"
    with connect() as line:
        for _ in range(5):
            line.sendall(request)
            assert read(line, b"{}").startswith(b"HTTP/1.1 200")
        line.sendall(HEAD)
        assert read(line).startswith(b"HTTP/1.1 408")


def busy(body: bytes = b"{}", *, method: bytes = b"POST", more: bytes = b"") -> bytes:
    head = b" /busy?a=b HTTP/1.1\r\nx-request-id: order-7\r\ncontent-length: %d\r\n" % len(body)
    return method + head + more + b"\r\n" + body


def read_answers(line: socket.socket, count: int, end: bytes = b"}") -> list[bytes]:
    """Return so many answers, each without its "HTTP/1.1 "."""
    heard = b""
    while heard.count(b"HTTP/1.1 ") < count or not heard.endswith(end):
        chunk = line.recv(1 << 16)
        assert chunk, heard
        heard += chunk
    return heard.split(b"HTTP/1.1 ")[1:]


ANSWERED = HEAD + b"content-length: 2\r\n\r\n{}"


def test_request_that_is_turned_away_hears_why_and_its_connection_stays(connect: Any):
    with connect() as line:
        for _ in range(3):
            line.sendall(busy())
            (told,) = read_answers(line, 1)
            assert told.startswith(b"429 Too Many Requests\r\n")
            assert b"x-request-id: order-7\r\n" in told
            assert b"retry-after: 1\r\n" in told
            assert error_of(told) == "busy"
        line.sendall(ANSWERED)
        assert read_answers(line, 1)[0].startswith(b"200")


def test_connection_that_shall_not_be_kept_is_closed_after_a_refusal(connect: Any):
    with connect() as line:
        line.sendall(busy(more=b"connection: close\r\n"))
        told = read(line)
    assert told.startswith(b"HTTP/1.1 429")
    assert b"connection: close\r\n" in told


def test_requests_sent_at_once_are_answered_in_their_order(connect: Any):
    with connect() as line:
        line.sendall(busy() + ANSWERED + busy())
        told = read_answers(line, 3)
    # The last one came while the one before was being answered.
    assert [answer[:3] for answer in told] == [b"429", b"200", b"200"]


def test_body_of_a_refused_request_that_never_comes_is_not_waited_for(connect: Any):
    with connect() as line:
        line.sendall(busy()[:-1])
        assert read(line).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("request_", "end"),
    [
        (busy(b"z" * 100_000), b"z"),
        (busy(b"", method=b"HEAD"), b"\r\n\r\n"),
        (
            b"POST /busy HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"{}",
        ),
        (busy(more=b"expect: 100-continue\r\n"), b"{}"),
    ],
    ids=["large body", "no body in the answer", "chunks", "body that waits for a word"],
)
def test_what_is_no_plain_request_is_left_to_the_application(
    connect: Any, request_: bytes, end: bytes
):
    with connect() as line:
        line.sendall(request_)
        *_, told = read_answers(line, 2 if b"expect" in request_ else 1, end)
    assert told.startswith(b"200")

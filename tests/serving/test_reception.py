import asyncio
import json
from typing import Any

from prometheus_client import REGISTRY

from serving.listener import TurnedAway
from serving.metrics import open_meter, route_of
from serving.reception import Reception
from serving.turns import Line


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def ask(app: Any, path: str, line: Line | None = None) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    lines = {} if line is None else {path: line}
    scope = {"type": "http", "path": path, "headers": [(b"x-request-id", b"order-7")]}
    asyncio.run(Reception(app, lines, open_meter())(scope, None, send))  # type: ignore[arg-type]
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_request_is_named_and_counted_by_route_and_status():
    before = counted("beholder_requests_total", route="/items/*", status="200")
    status, headers, _ = ask(echo, "/items/a/picture")
    assert (status, headers[b"x-request-id"]) == (200, b"order-7")
    assert counted("beholder_requests_total", route="/items/*", status="200") == before + 1
    assert counted("beholder_request_seconds_count", route="/items/*") >= 1


def test_full_line_is_told_at_once_and_when_to_ask_again():
    line = Line(places=1, patience=0.01)
    line.seconds = 1.0
    line._running = 1
    before = counted("beholder_request_seconds_count", route="/similar")
    status, headers, body = ask(echo, "/similar", line)
    assert status == 429
    assert headers[b"retry-after"] == b"1"
    assert headers[b"x-request-id"] == b"order-7"
    assert "try again" in json.loads(body)["error"]
    assert counted("beholder_requests_total", route="/similar", status="429") >= 1
    assert counted("beholder_request_seconds_count", route="/similar") == before


def test_request_is_turned_away_before_it_begins_named_and_counted_like_any_other():
    line = Line(places=1, patience=0.01)
    line.seconds = 1.0
    reception = Reception(echo, {"/explain": line}, open_meter())

    async def main() -> list[TurnedAway | None]:
        asked = [("/livez", []), ("/explain", []), ("/explain", [(b"x-request-id", b"order-7")])]
        return [reception.turn_away(path, headers) for path, headers in asked]

    before = counted("beholder_requests_total", route="/explain", status="429")
    elsewhere, first, second = asyncio.run(main())
    assert (elsewhere, first) == (None, None)
    assert second is not None
    refused, own = second
    assert refused.status == 429
    assert dict(refused.headers + own) == {b"retry-after": b"1", b"x-request-id": b"order-7"}
    assert "try again" in refused.sentence
    assert counted("beholder_requests_total", route="/explain", status="429") == before + 1


def test_request_whose_caller_hung_up_is_counted_as_such():
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        return

    sent: list[Any] = []
    before = counted("beholder_requests_total", route="/recommend", status="0")
    scope = {"type": "http", "path": "/recommend", "headers": []}
    asyncio.run(Reception(silent, {}, open_meter())(scope, None, sent.append))  # type: ignore[arg-type]
    assert sent == []
    assert counted("beholder_requests_total", route="/recommend", status="0") == before + 1


def test_connection_is_renewed_now_and_then_so_that_other_workers_get_their_share():
    reception = Reception(echo, {}, open_meter())
    headers: list[dict[bytes, bytes]] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers.append(dict(message["headers"]))

    async def main() -> None:
        for _ in range(512):
            scope = {"type": "http", "path": "/recommend", "headers": []}
            await reception(scope, None, send)  # type: ignore[arg-type]

    asyncio.run(main())
    assert [b"connection" in one for one in headers].count(True) == 2


def test_routes_are_those_of_the_table_so_that_labels_are_few():
    assert route_of("/recommend") == "/recommend"
    assert route_of("/items/whatever/it/is") == "/items/*"
    assert route_of("/.env") == "other"

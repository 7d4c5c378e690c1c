"""What clumsy and hostile callers send over HTTP: each is refused, and nobody else feels it."""

import asyncio
import contextlib
import io
import json
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
import pytest
from PIL import Image

from tests.serving.asking import error_of

pytestmark = pytest.mark.integration

JSON = {"content-type": "application/json"}
JSON_PATHS = ("/recommend", "/similar", "/predict_rating", "/feedback", "/explain")
PICTURE_PATHS = ("/recommend_by_image", "/predict_rating_by_image")
HEAD = b"POST /recommend HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def speak(url: str, *said: bytes) -> bytes:
    """Say bytes on a connection, and return all that comes back until it is closed."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as line:
        heard = b""
        try:
            for part in said:
                line.sendall(part)
        except OSError:
            pass  # who is refused may find the connection closed
        while chunk := _hear(line):
            heard += chunk
    return heard


def _hear(line: socket.socket) -> bytes:
    try:
        return line.recv(1 << 16)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"k": NaN, "item_id": Infinity, "events": -Infinity}',
        b'{"k": 1e400, "item_id": 1e400, "events": 1e400}',
        b'{"k": 1' + b"0" * 30 + b', "events": 1' + b"0" * 30 + b"}",
        b'{"k": ' + b"9" * 100_000 + b"}",
        b'{"user_id": "\\ud800", "item_id": "\\udfff"}',
        b'{"user_id": "a\\u0000", "item_id": "\\u0000", "item_ids": ["\\u0000"]}',
        b'{"user_id": "\xff\xfe"}',
        b"\x00" * 1000,
        b'{"k": 1} {"k": 2}',
        b'"' + b"x" * 1_000_000,
        "\N{ZERO WIDTH NO-BREAK SPACE}{}".encode(),
        b"true",
        b'{"__proto__": {}, "__class__": "x"}',
    ],
    ids=lambda content: repr(content[:24]),
)
def test_json_that_is_none_or_holds_what_cannot_be_is_refused(
    client: httpx.Client, path: str, content: bytes
):
    answer = client.post(path, content=content, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    error_of(answer, answer.status_code)


def test_event_with_a_value_that_cannot_be_is_refused(client: httpx.Client):
    event = '{"event_id": "h", "user_id": "u", "item_id": "i1", "kind": "rating", "value": %s}'
    for value in ("NaN", "Infinity", "1e400", "1" + "0" * 30, '"5"', "null", "[5]"):
        answer = client.post("/feedback", content=f'{{"events": [{event % value}]}}', headers=JSON)
        assert "events.0" in error_of(answer, 422)


def test_refused_number_is_told_with_its_bound(client: httpx.Client):
    for body, sentence in (
        ({"k": 5_000_000}, "k: 5000000 is more than 1000"),
        ({"k": 10**30}, "k: the number is more than 1000"),
        ({"diversity": -0.5}, "diversity: -0.5 is less than 0"),
        ({"exclude": ["i1"] * 1001}, "exclude: more than 1000 of them"),
    ):
        assert error_of(client.post("/recommend", json=body), 422) == sentence


def test_of_a_field_that_is_said_twice_the_last_one_counts(client: httpx.Client):
    answer = client.post("/recommend", content=b'{"k": 5, "k": 2}', headers=JSON)
    assert len(answer.json()["items"]) == 2


@pytest.mark.parametrize(
    "path",
    [
        "/items/..%2F..%2F..%2Fetc%2Fpasswd",
        "/items/..%2F..%2Fetc%2Fpasswd/picture",
        "/items/%2Fetc%2Fpasswd/picture",
        "/items/%00",
        "/items/i4%00/picture",
        "/items/%ff%fe",
        "/items/" + "x" * 5000,
        "/page/..%2F..%2Fservice.py",
        "/static_content/..%2F..%2Fapp.py",
        "/static_content/%2Fetc%2Fpasswd",
        "/docs.json/..%2F..%2Fetc",
        "//etc/passwd",
    ],
)
def test_path_in_an_address_leads_to_no_file(url: str, path: str):
    place = urlsplit(url)
    told = speak(
        url, f"GET {path} HTTP/1.1\r\nhost: {place.netloc}\r\nconnection: close\r\n\r\n".encode()
    )
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"404", b"422")
    assert list(json.loads(body)) == ["error"]
    assert b"root:" not in body


def picture(kind: str, draw: Any) -> bytes:
    """Return the look of i4 in an unusual file."""
    image = Image.open(io.BytesIO(draw(4))).convert("RGB")
    buffer = io.BytesIO()
    if kind == "cmyk":
        image.convert("CMYK").save(buffer, "JPEG", quality=95)
    elif kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
    elif kind == "animated webp":
        image.save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=[Image.new("RGB", image.size)],
            lossless=True,
        )
    elif kind == "animated png":
        image.save(buffer, "PNG", save_all=True, append_images=[Image.new("RGB", image.size)])
    elif kind == "palette":
        image.quantize(200).save(buffer, "PNG")
    elif kind == "alpha":
        image.convert("RGBA").save(buffer, "PNG")
    elif kind == "progressive":
        image.save(buffer, "JPEG", quality=95, progressive=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kind",
    ["cmyk", "turned", "animated webp", "animated png", "palette", "alpha", "progressive"],
)
def test_unusual_picture_is_seen_as_the_eye_sees_it(client: httpx.Client, draw: Any, kind: str):
    answer = client.post("/recommend_by_image", files={"image": picture(kind, draw)}, data={"k": 1})
    assert [item["item_id"] for item in answer.json()["similar"]] == ["i4"]


def blank_png(
    width: int, height: int, depth: int, colour: int, rows_there: int | None = None
) -> bytes:
    """Return a PNG of nothing, whose compressed rows take next to no room; or some of its rows."""

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + crc

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    samples = {0: 1, 2: 3}[colour]
    packer = zlib.compressobj(9)
    row = bytes(1 + (width * depth * samples + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(rows_there or height))
    rows += packer.flush()
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_picture_of_16_bits_or_of_one_long_line_is_answered(client: httpx.Client):
    for content in (
        blank_png(64, 64, 16, 0),
        blank_png(64, 64, 16, 2),
        blank_png(100_000, 1, 8, 0),
    ):
        answer = client.post("/recommend_by_image", files={"image": content}, data={"k": 1})
        assert len(answer.json()["similar"]) == 1


def test_small_file_of_many_pixels_is_refused_before_it_is_decoded(client: httpx.Client):
    bomb = blank_png(9000, 9000, 1, 0)
    assert len(bomb) < 12_000
    for content in (bomb, blank_png(30_000, 30_000, 8, 2, 1), blank_png(9, 2_000_000_000, 1, 0, 1)):
        answer = client.post("/recommend_by_image", files={"image": content})
        assert "pixels" in error_of(answer, 422)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"SIMPLE  =                    T" + b" " * 2850,
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"II*\x00\x08\x00\x00\x00",
        b"BM" + b"\x00" * 52,
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"PK\x03\x04",
        b"http://127.0.0.1:9/picture.png",
    ],
    ids=lambda content: repr(content[:10]),
)
def test_file_of_another_kind_is_no_picture(client: httpx.Client, content: bytes):
    for path in PICTURE_PATHS:
        data = {"user_ids": "u1"} if path.startswith("/predict") else {}
        answer = client.post(path, files={"image": ("x.png", content, "image/png")}, data=data)
        assert error_of(answer, 422).startswith("image: ")


def test_address_in_any_field_is_never_asked(client: httpx.Client, draw: Any):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/picture.png"
        text = (None, address)
        for fields in (
            {"image": text},
            {"image": (address, address.encode(), address)},
            {"image": ("x", draw(1)), "user_id": text, "exclude": text},
            {"image": ("x", b"", "message/external-body"), "user_id": text},
        ):
            assert client.post("/recommend_by_image", files=fields).status_code in (200, 422)
        client.post("/predict_rating_by_image", files={"image": text, "user_ids": text})
        client.post("/recommend_by_image", data={"image": address})
        client.post(
            "/recommend_by_image", content=address, headers={"content-type": "text/uri-list"}
        )
        client.post("/recommend_by_image", json={"image": address, "url": address})
        for path in JSON_PATHS:
            client.post(path, json={"item_id": address, "user_id": address, "image": address})
            client.post(path, json=address)
        rated = [{"item_id": address, "rating": 5}]
        client.post("/recommend", json={"user_id": address, "history": rated, "exclude": [address]})
        headers = {"x-forwarded-host": address, "referer": address, "origin": address}
        client.post("/recommend", json={}, headers=headers)
        client.get(f"/items/{address}/picture")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_body_without_a_length_is_cut_off_where_it_grows_too_large(client: httpx.Client):
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 1 << 30:
            sent += 1 << 16
            yield b" " * (1 << 16)

    try:
        answer = client.post("/recommend", content=endless(), headers=JSON)
    except httpx.TransportError:
        pass  # closed while this end was still talking
    else:
        assert "larger than 4 MiB" in error_of(answer, 413)
    assert sent < 64 << 20


def test_many_fields_of_a_form_are_as_many_as_the_document_says(client: httpx.Client, draw: Any):
    files = {"image": draw(4)}
    exclude = [f"x{number}" for number in range(1000)]
    answer = client.post("/recommend_by_image", files=files, data={"exclude": exclude})
    assert len(answer.json()["unknown_items"]) == 1000
    exclude *= 2
    answer = client.post("/recommend_by_image", files=files, data={"exclude": exclude})
    assert "Too many fields" in error_of(answer, 400)


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x01\x02\x03" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /livez HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        HEAD + b"content-length: 2\r\ncontent-length: 5\r\n\r\n{}",
        HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        HEAD + b"content-length: -2\r\n\r\n{}",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 400_000 + b"\r\n",
    ],
    ids=lambda said: repr(said[-24:]),
)
def test_what_is_no_http_is_refused_and_the_next_caller_answered(
    url: str, client: httpx.Client, said: bytes
):
    told = speak(url, said)
    assert told[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431", b""), told[:200]
    if told:
        assert list(json.loads(told.partition(b"\r\n\r\n")[2])) == ["error"]
    assert client.get("/livez").status_code == 200


def test_requests_on_the_heels_of_another_are_answered_in_their_order(url: str):
    names = [f"row-{number}" for number in range(20)]
    body = b'{"k": 1}'
    length = f"content-length: {len(body)}\r\n".encode()
    said = [HEAD + length + f"x-request-id: {name}\r\n\r\n".encode() + body for name in names]
    told = speak(
        url, b"".join(said) + b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    lines = told.split(b"\r\n")
    assert [line[14:].decode() for line in lines if line.startswith(b"x-request-id: row")] == names
    assert told.count(b"HTTP/1.1 200") == 21


@contextlib.asynccontextmanager
async def connected(
    place: SplitResult,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection that is closed, and gone, whatever becomes of the test."""
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def test_two_hundred_slow_callers_leave_their_places_to_a_normal_one(url: str):
    place = urlsplit(url)
    body = b'{"k": 1}'
    head = HEAD + f"content-length: {len(body)}\r\n\r\n".encode()

    async def main() -> tuple[list[int], list[bytes]]:
        async with contextlib.AsyncExitStack() as opened:
            slow = [await opened.enter_async_context(connected(place)) for _ in range(200)]
            for number, (_, writer) in enumerate(slow):
                # Half of them are in the middle of a head, half in the middle of a body.
                writer.write(head[:30] if number % 2 else head + body[:3])
                await writer.drain()
            async with httpx.AsyncClient(base_url=url, timeout=15, trust_env=False) as normal:
                statuses = [
                    (await normal.post("/recommend", json={"k": 1})).status_code for _ in range(50)
                ]
            told = []
            for number, (reader, writer) in enumerate(slow):
                writer.write(head[30:] + body if number % 2 else body[3:])
                told.append(await reader.readline())
                writer.close()
            return statuses, told

    statuses, told = asyncio.run(main())
    assert statuses == [200] * 50
    answered = [line for line in told if line.startswith((b"HTTP/1.1 200", b"HTTP/1.1 429"))]
    assert len(answered) == 200


def test_addresses_that_anybody_thinks_of_are_counted_under_one_name(client: httpx.Client):
    for number in range(5):
        for path in ("items", "page", "static_content", "nothing"):
            client.get(f"/{path}/made-up-{number}")
    told = client.get("/metrics").text
    assert "bentoml_service_request" in told
    assert "made-up" not in told

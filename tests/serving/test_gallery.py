"""What lies behind the page, over HTTP without a server: items, pictures, reasons, refusals."""

import asyncio
import io
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette

from components.pictures import WIDTHS, picture_file, write_copies
from components.settings import load_settings
from serving import gallery
from serving.page import POLICY
from serving.refusal import Refusal
from serving.release import Release, open_release


@dataclass(frozen=True)
class Held:
    """What a worker answers from."""

    release: Release

    def take_release(self) -> Release:
        return self.release


@dataclass(frozen=True)
class Client:
    """Asks an application, one question at a time."""

    app: Starlette

    def get(self, address: str, **options: Any) -> httpx.Response:
        return self.ask("GET", address, **options)

    def post(self, address: str, **options: Any) -> httpx.Response:
        return self.ask("POST", address, **options)

    def ask(self, method: str, address: str, **options: Any) -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                return await client.request(method, address, **options)

        return asyncio.run(answer())


@pytest.fixture(scope="module")
def release(bento: Path) -> Release:
    return open_release(bento, "cpu")


@pytest.fixture
def pictures(draw: Any, tmp_path: Path) -> Path:
    """Copies of the first two items' pictures."""
    for seed in range(2):
        content = draw(seed)
        image = Image.open(io.BytesIO(content)).convert("RGB")
        write_copies(tmp_path / "pictures", sha256(content).hexdigest(), image)
    return tmp_path / "pictures"


@pytest.fixture
def client(release: Release, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("BEHOLDER_PICTURES", str(pictures))
    load_settings.cache_clear()
    app = Starlette(routes=gallery.routes, exception_handlers={Refusal: gallery.answer_refusal})
    app.state.desk = Held(release)
    yield Client(app)
    load_settings.cache_clear()


def test_page_comes_with_its_policy_and_is_not_sent_twice(client: Client):
    page = client.get("/")
    assert page.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert b"style=" not in page.content
    assert b"onclick" not in page.content
    again = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/page/app.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("name", ["__init__.py", "..%2fgallery.py", "nothing", "%00"])
def test_only_the_parts_of_the_page_are_served(client: Client, name: str):
    assert client.get(f"/page/{name}").status_code == 404


def test_items_come_in_pages_and_filtered(client: Client, lineage: dict[str, str]):
    answer = client.get("/items", params={"offset": 10, "limit": 5}).json()
    assert [item["item_id"] for item in answer["items"]] == ["i10", "i11"]
    assert [item["has_picture"] for item in answer["items"]] == [True, False]
    assert answer["total"] == 12
    assert answer["categories"] == ["landscape", "portrait"]
    assert answer["model"]["lineage_id"] == lineage["lineage_id"]
    pictured = client.get("/items", params={"category": "portrait", "with_picture": True}).json()
    assert pictured["total"] == 5


def test_shuffled_pages_hold_every_item_once(client: Client):
    pages = [
        client.get("/items", params={"shuffle": 3, "limit": 5, "offset": offset}).json()["items"]
        for offset in (0, 5, 10)
    ]
    ids = [item["item_id"] for page in pages for item in page]
    assert sorted(ids) == sorted(f"i{row}" for row in range(12))
    assert ids != [f"i{row}" for row in range(12)]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=101", 422),
        ("offset=-1", 422),
        ("offset=1e9", 422),
        ("shuffle=99999999999999", 422),
        ("surprise=1", 422),
        ("category=", 422),
        ("category=still+life", 404),
    ],
)
def test_bad_query_is_refused_in_a_sentence(client: Client, query: str, status: int):
    answer = client.get(f"/items?{query}")
    assert answer.status_code == status
    assert query.split("=")[0] in answer.json()["error"]


def test_item_says_what_is_known_of_it(client: Client):
    item = client.get("/items/i3").json()
    assert (item["title"], item["category"], item["has_picture"]) == ("Print 3", "portrait", True)
    assert (item["ratings"], item["mean_rating"]) == (4, pytest.approx(3.0))
    assert client.get("/items/i11").json()["mean_rating"] is None
    assert client.get("/items/gone").status_code == 404
    assert client.get("/items/" + "x" * 300).status_code == 422


@pytest.mark.parametrize("width", WIDTHS)
def test_picture_is_a_copy_that_may_be_kept_while_its_release_serves(
    client: Client, lineage: dict[str, str], width: int
):
    query = {"width": width, "release": lineage["lineage_id"]}
    answer = client.get("/items/i0/picture", params=query)
    assert answer.headers["x-beholder-picture"] == "copy"
    assert "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    other = client.get("/items/i0/picture", params={**query, "release": "another"})
    assert other.headers["cache-control"] == "no-cache"
    known = client.get(
        "/items/i0/picture", params=query, headers={"if-none-match": answer.headers["etag"]}
    )
    assert known.status_code == 304


@pytest.mark.parametrize("item_id", ["i11", "i5"])
def test_item_without_a_copy_has_a_placeholder_that_says_so(client: Client, item_id: str):
    answer = client.get(f"/items/{item_id}/picture")
    assert answer.status_code == 200
    assert answer.headers["x-beholder-picture"] == "none"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("item_id", ["..%2f..%2fetc%2fpasswd", "gone", "%00", "i0%2f.."])
def test_picture_of_no_item_is_refused(client: Client, item_id: str):
    assert client.get(f"/items/{item_id}/picture").status_code == 404


@pytest.mark.parametrize("query", ["width=161", "width=1e3", "width=", "size=160"])
def test_other_widths_are_refused(client: Client, query: str):
    assert client.get(f"/items/i0/picture?{query}").status_code == 422


def test_reason_is_the_nearest_liked_item_by_its_look(client: Client, release: Release):
    body = {"item_ids": ["i3", "i11", "gone"], "liked": ["i1", "i2", "i3", "i11"]}
    answer = client.post("/explain", json=body).json()
    alike = {
        item.item_id: item.score
        for item in release.predictor.neighbours(
            release.predictor.bundle.catalogue.embeddings_IE[3], 12, np.zeros(0, np.int64)
        )
    }
    best = max(("i1", "i2"), key=alike.__getitem__)
    assert answer["reasons"][0]["nearest"] == best
    assert answer["reasons"][0]["similarity"] == pytest.approx(alike[best], abs=1e-5)
    assert answer["reasons"][1] == {"item_id": "i11", "nearest": None, "similarity": None}
    assert answer["unknown_items"] == ["gone"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 422),
        (b"{", "application/json", 400),
        (b'{"item_ids": ["i1"], "liked": []}', "application/json", 422),
        (b"item_ids=i1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_bad_question_for_a_reason_is_refused(
    client: Client, content: bytes, kind: str, status: int
):
    answer = client.post("/explain", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_worker_without_a_release_says_so(client: Client):
    client.app.state.desk = None
    assert client.get("/items").status_code == 503
    assert client.get("/").status_code == 200


def test_copies_are_in_proportion_and_never_larger_than_the_original(tmp_path: Path):
    write_copies(tmp_path, "ab" * 32, Image.new("RGB", (600, 900)))
    write_copies(tmp_path, "cd" * 32, Image.new("RGB", (200, 100)))
    write_copies(tmp_path, "ef" * 32, Image.new("RGB", (10, 9000)))

    def size(width: int, name: str) -> tuple[int, int]:
        with Image.open(picture_file(tmp_path, width, name * 32)) as image:
            return image.size

    assert (size(160, "ab"), size(320, "ab")) == ((160, 240), (320, 480))
    assert (size(160, "cd"), size(320, "cd")) == ((160, 80), (200, 100))
    assert size(160, "ef") == (1, 640)

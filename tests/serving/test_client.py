"""The Python client: over HTTP against a Bento, and against a server that does as it is told."""

import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.errors import BeholderError
from components.feedback.log import FeedbackLog
from serving.client import Beholder, EndpointError, FeedbackEvent, RatedItem
from serving.client.transport import Patience


@pytest.fixture(scope="module")
def beholder(url: str) -> Iterator[Beholder]:
    with Beholder(url, timeout=60) as beholder:
        yield beholder


def told(logs: Path, request_id: str) -> list[Any]:
    log = FeedbackLog(f"sqlite:///{logs / 'feedback.db'}")
    try:
        return [event for event in log.named() if event.request_id == request_id]
    finally:
        log.close()


@pytest.mark.integration
def test_every_call_returns_a_typed_answer_with_its_request_id(beholder: Beholder, draw: Any):
    answers = [
        beholder.recommend("u1", k=2, exclude=["i9"], diversity=0.2),
        beholder.recommend(history={"i1": 5, "gone": 1}, k=2),
        beholder.recommend(history=[RatedItem(item_id="i1", rating=5, timestamp=1000)], k=2),
        beholder.recommend(category="portrait", k=2),
        beholder.similar("i1", k=2, exclude=["i2"]),
        beholder.predict_rating([("u1", "i9"), ("x", "y")]),
        beholder.recommend_by_image(draw(4), io.BytesIO(draw(4)), user_id="u1", k=2),
        beholder.predict_rating_by_image(draw(50), ["u1", "x"]),
        beholder.item("i4"),
        beholder.items(offset=2, limit=3, category="landscape", with_picture=True, shuffle=1),
        beholder.explain(["i1"], ["i2", "i4"]),
        beholder.model(),
    ]
    assert {answer.model.version for answer in answers} == {"3"}
    assert len({answer.request_id for answer in answers}) == len(answers)


@pytest.mark.integration
def test_what_is_asked_reaches_the_endpoint(beholder: Beholder, draw: Any, tmp_path: Path):
    listed = beholder.recommend("u1", k=3, exclude=["i9", "gone"])
    assert (len(listed.items), listed.unknown_items) == (3, ["gone"])
    assert beholder.recommend(history={"i1": 5, "gone": 1}).unknown_items == ["gone"]
    pairs = beholder.predict_rating([("u1", "i9"), ("x", "y")])
    assert [rating.item_path for rating in pairs.ratings] == ["factors", "prior"]
    path = tmp_path / "picture.png"
    path.write_bytes(draw(4))
    for picture in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        looks = beholder.recommend_by_image(picture, k=1)
        assert looks.similar[0].item_id == "i4"
    page = beholder.items(category="landscape", with_picture=True, limit=2)
    assert (page.total, len(page.items)) == (6, 2)
    assert beholder.item("i4").title == "Print 4"
    assert (beholder.picture("i4", width=160) or b"").startswith(b"\xff\xd8")
    assert beholder.picture("i5") is None
    assert beholder.is_ready()


@pytest.mark.integration
def test_feedback_names_the_answer_that_it_is_about_and_changes_the_next_list(
    beholder: Beholder, logs: Path
):
    answer = beholder.recommend("client-1", k=3)
    best = answer.items[0].item_id
    beholder.feedback.view("client-1", best, about=answer)
    beholder.feedback.click("client-1", best, about=answer, timestamp=1_700_000_000)
    stored = beholder.feedback.rate("client-1", best, 5, about=answer)
    assert (stored.stored, stored.unknown_users) == (1, ["client-1"])
    after = beholder.recommend("client-1", k=12)
    assert (after.path, after.remembered) == ("history", 1)
    assert best not in [item.item_id for item in after.items]
    events = told(logs, answer.request_id)
    assert {(event.kind, event.item_id, event.value) for event in events} == {
        ("view", best, None),
        ("click", best, None),
        ("rating", best, 5.0),
    }


@pytest.mark.integration
def test_event_that_is_told_again_under_its_own_id_is_stored_once(beholder: Beholder):
    for repeated in (0, 1):
        answer = beholder.feedback.rate("client-2", "i1", 4, event_id="order-77")
        assert answer.repeated == repeated
    event = FeedbackEvent(event_id="order-78", user_id="client-2", item_id="i2", kind="view")
    answers = [beholder.feedback.send([event]) for _ in range(2)]
    assert [(answer.stored, answer.repeated) for answer in answers] == [(1, 0), (0, 1)]
    with pytest.raises(EndpointError, match="other content") as refused:
        beholder.feedback.rate("client-2", "i1", 1, event_id="order-77")
    assert refused.value.status == 409


@pytest.mark.integration
@pytest.mark.parametrize(
    ("call", "status", "sentence"),
    [
        (lambda b: b.recommend(k=5_000_000), 422, "k: 5000000 is more than 1000"),
        (lambda b: b.recommend(history={"i1": float("nan")}), 422, "history.0.rating: not a fin"),
        (lambda b: b.recommend("\ud800"), 400, "Invalid JSON"),
        (lambda b: b.recommend(category="still life"), 404, "there are: landscape, portrait"),
        (lambda b: b.similar("gone"), 404, "no item is called 'gone'"),
        (lambda b: b.item("a/b c?#é"), 404, "no item is called 'a/b c?#é'"),
        (lambda b: b.recommend_by_image(b"GIF89a"), 422, "JPEG, PNG or WebP"),
        (lambda b: b.recommend_by_image(b"\0" * (17 << 20)), 413, "larger than 16 MiB"),
        (lambda b: b.feedback.rate("u", "i1", 9), 422, "not on the scale"),
    ],
)
def test_refusal_is_one_error_with_the_endpoints_sentence(
    beholder: Beholder, call: Any, status: int, sentence: str
):
    with pytest.raises(EndpointError) as refused:
        call(beholder)
    assert refused.value.status == status
    assert sentence in refused.value.sentence
    assert str(refused.value).startswith(f"{status}: {refused.value.sentence} (request ")
    assert isinstance(refused.value, BeholderError)
    assert refused.value.request_id


@pytest.mark.integration
def test_one_client_serves_many_threads(beholder: Beholder):
    def ask(number: int) -> tuple[str, str]:
        answer = beholder.recommend(history={f"i{number % 11}": 5}, k=12)
        assert f"i{number % 11}" not in [item.item_id for item in answer.items]
        return answer.request_id, answer.path

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(64)))
    assert len({request_id for request_id, _ in answers}) == 64
    assert {path for _, path in answers} == {"history"}


class Puppet(ThreadingHTTPServer):
    """A server that gives the answers in `script`, the last one for ever, and notes who asked."""

    daemon_threads = True

    def __init__(self, *script: Any) -> None:
        super().__init__(("127.0.0.1", 0), Hand)
        self.script = list(script)
        self.asked: list[tuple[str, bytes]] = []
        self.may_end = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that has hung up."""

    def __exit__(self, *_: object) -> None:
        self.may_end.set()
        self.shutdown()
        self.server_close()


class Hand(BaseHTTPRequestHandler):
    server: Puppet

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.headers["x-request-id"], body))
        script = self.server.script
        step = script.pop(0) if len(script) > 1 else script[0]
        if step == "silence":
            self.server.may_end.wait(30)
            return
        if step == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, headers, content = step
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


def answer(content: object, status: int = 200, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps(content).encode()


MODEL = {"version": "3", "lineage_id": "abc"}
LIST = answer({"items": [], "path": "rules", "unknown_items": [], "model": MODEL})
STORED = answer(
    {"stored": 0, "repeated": 1, "unknown_items": [], "unknown_users": [], "model": MODEL}
)
BUSY = answer({"error": "too many requests at once"}, 429, retry_after="0")
DOWN = answer({"error": "not ready"}, 503)


def test_busy_endpoint_is_asked_again_under_the_same_request_id():
    with Puppet(BUSY, DOWN, LIST) as puppet, Beholder(puppet.url) as beholder:
        assert beholder.recommend().path == "rules"
        assert len(puppet.asked) == 3
        assert len({name for name, _ in puppet.asked}) == 1


def test_endpoint_that_stays_busy_is_asked_three_times_and_then_told_of():
    with Puppet(BUSY) as puppet, Beholder(puppet.url) as beholder:
        with pytest.raises(EndpointError) as refused:
            beholder.recommend()
        assert (refused.value.status, refused.value.retry_after) == (429, 0.0)
        assert len(puppet.asked) == 3


def test_wait_longer_than_ones_patience_is_told_at_once():
    later = answer({"error": "the key may ask 2/m only"}, 429, retry_after="30")
    with Puppet(later) as puppet, Beholder(puppet.url, longest_wait=5) as beholder:
        with pytest.raises(EndpointError) as refused:
            beholder.recommend()
        assert refused.value.retry_after == 30.0
        assert len(puppet.asked) == 1


def test_lost_connection_is_made_again_and_a_wrong_address_is_told():
    with Puppet("hang up", LIST) as puppet, Beholder(puppet.url) as beholder:
        assert beholder.recommend().path == "rules"
    with Beholder(puppet.url, retries=1) as beholder:
        with pytest.raises(EndpointError, match="refused") as lost:
            beholder.recommend()
        assert lost.value.status is None
        assert lost.value.request_id
        assert not beholder.is_ready()


def test_event_is_sent_again_after_a_time_out_with_the_same_id():
    with Puppet("silence", DOWN, STORED) as puppet:
        with Beholder(puppet.url, timeout=0.5) as beholder:
            assert beholder.feedback.rate("u1", "i1", 5).repeated == 1
        assert len({body for _, body in puppet.asked}) == 1
        assert len(puppet.asked) == 3


def test_question_that_timed_out_is_not_asked_again():
    with Puppet("silence") as puppet, Beholder(puppet.url, timeout=0.3) as beholder:
        with pytest.raises(EndpointError, match=r"no answer within 0\.3 seconds") as late:
            beholder.recommend()
        assert late.value.status is None
        assert len(puppet.asked) == 1


@pytest.mark.parametrize(
    "strange",
    [
        answer({"items": []}),
        answer([]),
        (200, {}, b"<html>"),
        (204, {}, b""),
        (301, {"location": "http://127.0.0.1:9/"}, b""),
        (502, {}, b"<html>bad gateway</html>"),
    ],
)
def test_answer_of_another_server_is_an_error_too(strange: Any):
    with Puppet(strange) as puppet, Beholder(puppet.url, retries=0) as beholder:
        with pytest.raises(EndpointError) as refused:
            beholder.recommend()
        assert refused.value.status == strange[0]
        assert refused.value.sentence


def test_text_file_is_no_picture(tmp_path: Path):
    path = tmp_path / "picture.png"
    path.write_text("?")
    with Beholder() as beholder, path.open() as file:
        with pytest.raises(TypeError, match="binary"):
            beholder.recommend_by_image(file)  # type: ignore[arg-type]
        with pytest.raises(FileNotFoundError):
            beholder.recommend_by_image(tmp_path / "none.png")


def test_waits_grow_and_end():
    patience = Patience(retries=3, longest_wait=0.3)
    assert [patience.wait_after(tries, None) for tries in (1, 2, 3, 4)] == [0.1, 0.2, None, None]
    assert [patience.wait_after(1, wait) for wait in (0.0, 0.3, 0.4)] == [0.0, 0.3, None]


def test_client_imports_nothing_of_the_service():
    heavy = ("bentoml", "torch", "numpy", "pandas", "starlette", "sqlalchemy", "prefect", "mlflow")
    code = f"import sys, serving.client; sys.exit(str({set(heavy)} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


def test_key_that_can_be_none_is_refused_before_anything_is_sent():
    with pytest.raises(EndpointError, match="this is no API key"):
        Beholder("http://127.0.0.1:9", api_key="bé-key")

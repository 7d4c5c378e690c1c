"""Every address of a booted Bento, over real HTTP: good requests, bad ones, a refused release."""

import io
import json
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import bentoml
import httpx
import pytest
from PIL import Image

from components.answers.log import AnswerLog
from components.errors import ServiceError
from components.feedback.joining import join
from components.feedback.log import FeedbackLog
from components.keys import make_key
from components.packaging.booting import boot
from components.packaging.release import BUNDLE
from serving.client import Beholder, EndpointError
from tests.serving.asking import error_of

pytestmark = pytest.mark.integration

LOGS = ((AnswerLog, "answers.db"), (FeedbackLog, "feedback.db"))

JSON = {"content-type": "application/json"}


def test_health_and_metrics_answer(client: httpx.Client):
    for path in ("/livez", "/healthz", "/readyz", "/metrics"):
        assert client.get(path).status_code == 200


def test_metrics_count_what_is_answered_before_bentomls_layers(client: httpx.Client):
    client.post("/recommend", json={"user_id": "u1"})
    client.get("/nothing")
    told = client.get("/metrics").text
    assert 'beholder_requests_total{route="/recommend",status="200"}' in told
    assert 'beholder_requests_total{route="other",status="404"}' in told
    assert 'beholder_answers_total{path="history",route="/recommend",version="3"}' in told
    assert "beholder_request_seconds_bucket" in told


def test_model_says_version_lineage_and_counts(client: httpx.Client, lineage: dict[str, str]):
    model = client.get("/model").json()
    origin = {"version": "3", "lineage_id": lineage["lineage_id"], "catalogue": None}
    assert model["model"] == origin
    assert model["counts"]["items"] == 12
    exact = {"way": "exact", "index": None, "recall": 1.0, "k": None}
    assert model["retrieval"] == {"tastes": exact, "looks": exact}
    assert model["lineage"] == lineage


@pytest.mark.parametrize(
    ("path", "body"),
    [("/recommend", {"k": 1}), ("/similar", {"item_id": "i1"}), ("/recommend", {"k": 0})],
)
def test_every_answer_names_its_request_and_its_release(
    client: httpx.Client, lineage: dict[str, str], path: str, body: dict[str, Any]
):
    headers = client.post(path, json=body, headers={"x-request-id": "order-7"}).headers
    assert headers["x-request-id"] == "order-7"
    if body.get("k") != 0:
        assert headers["x-model-version"] == lineage["version"]
        assert headers["x-lineage-id"] == lineage["lineage_id"]


def test_every_answer_is_kept_under_its_request_id_and_joined_to_feedback(
    client: httpx.Client, logs: Path, draw: Any
):
    pairs = {"pairs": [{"user_id": "u1", "item_id": "i9"}, {"user_id": "x", "item_id": "i9"}]}
    asked: dict[str, dict[str, Any]] = {
        "recommend": {"json": {"user_id": "u1", "k": 3}},
        "similar": {"json": {"item_id": "i1", "k": 2}},
        "predict_rating": {"json": pairs},
        "recommend_by_image": {"files": {"image": draw(1)}, "data": {"user_id": "u1"}},
        "predict_rating_by_image": {"files": {"image": draw(1)}, "data": {"user_ids": ["u1"]}},
    }
    for route, request in asked.items():
        answer = client.post(f"/{route}", headers={"x-request-id": f"kept-{route}"}, **request)
        assert answer.status_code == 200
    assert client.post("/recommend", json={"k": 0}).status_code == 422
    event = {"event_id": "j1", "user_id": "x", "item_id": "i9", "kind": "rating", "value": 5}
    named = event | {"request_id": "kept-predict_rating"}
    assert client.post("/feedback", json={"events": [named]}).json()["stored"] == 1
    kept, feedback = (kind(f"sqlite:///{logs / name}") for kind, name in LOGS)
    deadline = time.monotonic() + 30
    while len(found := kept.find_all([f"kept-{route}" for route in asked])) < len(asked):
        assert time.monotonic() < deadline
        time.sleep(0.05)  # they are written behind the answers, about a second later
    assert {rows[0].route for rows in found.values()} == set(asked)
    rows = [rows[0] for rows in found.values()]
    assert {(row.version, row.seconds > 0) for row in rows} == {("3", True)}
    assert found["kept-recommend"][0].user_id == "u1"
    (joined,) = [one for one in join(feedback, kept) if one.told.request_id == named["request_id"]]
    rating = found["kept-predict_rating"][0].ratings[1]
    assert (joined.predicted, joined.path) == (rating, "prior")
    feedback.close()
    kept.close()


def test_picture_and_page_name_them_too(client: httpx.Client, lineage: dict[str, str], draw: Any):
    picture = client.post("/recommend_by_image", files={"image": draw(1)})
    for answer in (picture, client.get("/model")):
        assert answer.headers["x-lineage-id"] == lineage["lineage_id"]
        assert len(answer.headers["x-request-id"]) == 32


def test_recommend_answers_known_cold_and_described_users(client: httpx.Client):
    known = client.post("/recommend", json={"user_id": "u1", "k": 3}).json()
    cold = client.post("/recommend", json={"user_id": "nobody", "k": 3}).json()
    history = [{"item_id": "i11", "rating": 5}, {"item_id": "gone", "rating": 1}]
    described = client.post("/recommend", json={"history": history, "k": 3}).json()
    assert [answer["path"] for answer in (known, cold, described)] == [
        "history",
        "rules",
        "history",
    ]
    assert [item["item_id"] for item in cold["items"]] == ["i5", "i2", "i3"]
    assert len(known["items"]) == 3
    assert described["unknown_items"] == ["gone"]
    assert set(known["items"][0]) == {"item_id", "title", "category", "rating"}


def test_feedback_is_acknowledged_once_stored_and_changes_the_next_list(client: httpx.Client):
    event = {"event_id": "e1", "user_id": "teller", "item_id": "i10", "kind": "rating", "value": 5}
    told = client.post("/feedback", json={"events": [event]}).json()
    again = client.post("/feedback", json={"events": [event]}).json()
    assert [(answer["stored"], answer["repeated"]) for answer in (told, again)] == [(1, 0), (0, 1)]
    assert told["unknown_users"] == ["teller"]
    answer = client.post("/recommend", json={"user_id": "teller", "k": 20}).json()
    assert (answer["path"], answer["remembered"]) == ("history", 1)
    assert "i10" not in [item["item_id"] for item in answer["items"]]
    other = client.post("/feedback", json={"events": [event | {"value": 4}]})
    assert "stored already with other content" in error_of(other, 409)


def test_similar_and_predictions_answer(client: httpx.Client):
    look = client.post("/similar", json={"item_id": "i1", "k": 2}).json()
    assert len(look["items"]) == 2
    pairs = [{"user_id": "u1", "item_id": "i9"}, {"user_id": "x", "item_id": "y"}]
    told = client.post("/predict_rating", json={"pairs": pairs}).json()
    assert [rating["item_path"] for rating in told["ratings"]] == ["factors", "prior"]
    assert (told["unknown_users"], told["unknown_items"]) == (["x"], ["y"])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_pictures_of_each_format_are_recognised(client: httpx.Client, draw: Any, form: str):
    buffer = io.BytesIO()
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    Image.open(io.BytesIO(draw(4))).save(buffer, form, **options)
    answer = client.post(
        "/recommend_by_image", files={"image": buffer.getvalue()}, data={"user_id": "u1", "k": 2}
    ).json()
    assert answer["similar"][0]["item_id"] == "i4"
    assert len(answer["items"]) == 2
    assert answer["path"] == "history"


def test_picture_is_rated_for_several_users(client: httpx.Client, draw: Any):
    answer = client.post(
        "/predict_rating_by_image", files={"image": draw(50)}, data={"user_ids": ["u1", "stranger"]}
    ).json()
    assert [rating["path"] for rating in answer["ratings"]] == ["history", "prior"]
    assert answer["unknown_users"] == ["stranger"]


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"", 400, "empty"),
        (b"{", 400, "Invalid JSON"),
        (b"[" * 100_000, 400, "recursion"),
        (b'{"k": 1e400}', 422, "k:"),
        (b'{"k": 1' + b"0" * 4000 + b"}", 422, "k:"),
        (b'{"k": 0}', 422, "k:"),
        (b'{"history": [{"item_id": "i1", "rating": NaN}]}', 422, "history.0.rating"),
        (b'{"history": [{"item_id": "i1", "rating": 9}]}', 422, "scale"),
        (b'{"surprise": 1}', 422, "surprise"),
        (b'{"category": ""}', 422, "category"),
        (b'{"category": "still life"}', 404, "there are: landscape, portrait"),
        (b" " * (5 << 20), 413, "larger than 4 MiB"),
    ],
)
def test_bad_json_is_refused_in_a_sentence(
    client: httpx.Client, content: bytes, status: int, sentence: str
):
    answer = client.post("/recommend", content=content, headers=JSON)
    assert sentence in error_of(answer, status)


def test_unknown_item_address_and_method_are_refused(client: httpx.Client):
    error_of(client.post("/similar", json={"item_id": "gone"}), 404)
    error_of(client.post("/similar", json={"item_id": "i11"}), 422)
    error_of(client.get("/nothing"), 404)
    error_of(client.get("/recommend"), 405)
    error_of(client.post("/recommend", content=b"k=1", headers={"content-type": "text/plain"}), 415)


def test_pickle_is_refused(client: httpx.Client):
    headers = {"content-type": "application/vnd.bentoml+pickle"}
    assert client.post("/recommend", content=b"cos\nsystem", headers=headers).status_code == 415


def test_bad_uploads_are_refused_in_a_sentence(client: httpx.Client, draw: Any):
    def upload(content: bytes) -> httpx.Response:
        return client.post("/recommend_by_image", files={"image": content})

    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    assert "damaged" in error_of(upload(draw(1)[:-40]), 422)
    assert "empty" in error_of(upload(b""), 422)
    assert "JPEG, PNG or WebP" in error_of(upload(b"GIF89a"), 422)
    assert "megapixels" in error_of(upload(bomb.getvalue()), 422)
    assert "larger than 16 MiB" in error_of(upload(b"\0" * (17 << 20)), 413)
    assert "image: missing" in error_of(
        client.post("/recommend_by_image", files={"other": draw(1)}), 422
    )
    form = {"content-type": "multipart/form-data"}
    assert "boundary" in error_of(
        client.post("/recommend_by_image", content=b"?", headers=form), 400
    )


def test_address_in_the_place_of_a_picture_is_never_fetched(client: httpx.Client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/picture.png"
        answer = client.post(
            "/recommend_by_image", data={"image": address}, files={"user_id": (None, "u1")}
        )
        assert "where a file belongs" in error_of(answer, 422)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_documents_are_served(client: httpx.Client):
    assert client.get("/docs.json").json()["openapi"] == "3.1.0"
    assert client.get("/").status_code == 200


def test_bentomls_own_client_covers_every_address(url: str, draw: Any, tmp_path: Path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(draw(4))
    # The client leaves its folder to the garbage collector.
    with bentoml.SyncHTTPClient(url) as client, client._temp_dir:
        assert client.recommend({"user_id": "u1", "k": 2})["path"] == "history"
        assert len(client.similar({"item_id": "i1", "k": 2})["items"]) == 2
        pairs = [{"user_id": "u1", "item_id": "i9"}]
        assert client.predict_rating({"pairs": pairs})["ratings"][0]["item_id"] == "i9"
        look = client.recommend_by_image({"image": picture, "user_id": "u1", "k": 2})
        assert look["similar"][0]["item_id"] == "i4"
        told = client.predict_rating_by_image({"image": picture, "user_ids": ["u1"]})
        assert told["ratings"][0]["user_id"] == "u1"


def test_keys_are_asked_for_over_http_and_event_ids_are_a_keys_own(bento: Path, tmp_path: Path):
    file = tmp_path / "keys.json"
    shop, app = (make_key(file, name, ("feedback",), None) for name in ("shop", "app"))
    settings = {
        "BEHOLDER_REQUIRE_KEYS": "true",
        "BEHOLDER_KEYS_FILE": str(file),
        "BEHOLDER_FEEDBACK_URL": f"sqlite:///{tmp_path / 'feedback.db'}",
    }
    event = {"event_id": "e1", "user_id": "u1", "item_id": "i9", "kind": "view"}
    with boot(bento, ready_seconds=120, settings=settings) as running:
        client = httpx.Client(base_url=running.url, timeout=30, trust_env=False)
        with client:
            for path in ("/model", "/api", "/docs.json"):
                assert client.get(path).status_code == 200
            told = client.get("/docs.json").text
            assert '"model 3"' in told
            assert '"i1"' not in told  # no item of the catalogue to whoever has no key
            assert "key is needed" in error_of(client.get("/metrics"), 401)
            told = [
                client.post("/feedback", json={"events": [event]}, headers={"X-API-Key": key})
                for key in (shop, app, shop)
            ]
            assert [answer.json()["stored"] for answer in told] == [1, 1, 0]
            headers = {"authorization": f"Bearer {shop}"}
            refused = client.post("/recommend", json={}, headers=headers)
            assert "no scope 'recommend'" in error_of(refused, 403)
        with Beholder(running.url, api_key=f"{app}\n", timeout=30) as ours:
            assert ours.feedback.view("u1", "i8", event_id="e2").stored == 1
            with pytest.raises(EndpointError, match="no scope 'recommend'"):
                ours.recommend()


def test_without_a_log_feedback_is_refused_with_the_setting(bento: Path, tmp_path: Path):
    with boot(bento, ready_seconds=120) as running:
        event = {"event_id": "e1", "user_id": "u1", "item_id": "i9", "kind": "view"}
        answer = httpx.post(
            f"{running.url}/feedback", json={"events": [event]}, timeout=30, trust_env=False
        )
    assert answer.status_code == 503
    assert "set BEHOLDER_FEEDBACK_URL" in answer.json()["error"]


def test_tampered_release_is_alive_but_never_ready(bento: Path, tmp_path: Path):
    copy = Path(shutil.copytree(bento, tmp_path / "copy"))
    manifest = copy / BUNDLE / "golden" / "questions.json"
    content = json.loads(manifest.read_text())
    content["pairs"][0]["rating"] = 1.0
    manifest.write_text(json.dumps(content))
    with (
        pytest.raises(ServiceError, match=r"questions\.json is changed"),
        boot(copy, ready_seconds=120),
    ):
        raise AssertionError("the tampered release was ready")

"""The OpenAPI document against the endpoint: thousands of drawn requests, and a client made of it.

Both tools run as the commands they are, outside of this process.
"""

import importlib
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

# A form's text is a text whatever it looks like, so nothing in a list of it violates the schema.
# What the document cannot say (the model's scale, that a picture is one) refuses valid requests.
CONFIG = """
[checks]
positive_data_acceptance.enabled = false

[[operations]]
include-path-regex = "by_image$"
checks.negative_data_rejection.enabled = false
"""
# The headings of the document, which become modules of that client.
GROUPS = {
    "items": ("items", "item", "picture", "explain"),
    "feedback": ("feedback",),
    "operations": ("model", "livez", "healthz", "readyz", "metrics"),
    "recommend": (
        *("recommend", "similar", "predict_rating"),
        *("recommend_by_image", "predict_rating_by_image"),
    ),
}


def fuzz(url: str, folder: Path, *options: str) -> None:
    """Ask everything that Schemathesis draws from the document; fail with what it tells."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"),
        *(f"{url}/docs.json", "--url", url, "--request-timeout", "60", "--warnings", "off"),
        *("--continue-on-failure", "--generation-database", "none", "--no-color", *options),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Tested: 15" in done.stdout


def test_drawn_requests_meet_no_failure_and_nothing_that_the_document_leaves_out(
    url: str, tmp_path: Path
):
    fuzz(url, tmp_path, "--phases", "coverage,fuzzing", "-n", "4", "--seed", "7")


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_many_more_of_them_do_neither(url: str, tmp_path: Path):
    fuzz(url, tmp_path, "--phases", "examples,coverage,fuzzing,stateful", "-n", "300")


@pytest.fixture(scope="module")
def generated(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A client that openapi-python-client writes from the document as it is served."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "docs.json").write_text(json.dumps(client.get("/docs.json").json()))
    (folder / "config.json").write_text('{"post_hooks": []}')
    command = [
        *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
        *("--path", "docs.json", "--output-path", "made_client", "--config", "config.json"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("made_client")
    finally:
        sys.path.remove(str(folder))


def test_client_made_from_the_document_makes_every_call(generated: ModuleType, url: str, draw: Any):
    models, types = (importlib.import_module(f"made_client.{name}") for name in ("models", "types"))
    with generated.Client(base_url=url, timeout=60) as session:
        make_every_call(session, models, types, draw)


def make_every_call(session: Any, models: Any, types: Any, draw: Any) -> None:
    def call(name: str, *arguments: Any, **named: Any) -> Any:
        group = next(tag for tag, names in GROUPS.items() if name in names)
        module = importlib.import_module(f"made_client.api.{group}.{name}")
        answer = module.sync_detailed(*arguments, client=session, **named)
        assert answer.status_code == 200, answer.content
        return answer.parsed or answer.content

    def picture() -> Any:
        return types.File(BytesIO(draw(4)), "picture.png", "image/png")

    rated = models.RatedItem(item_id="i1", rating=5.0)
    wanted = models.RecommendRequest(user_id="made", history=[rated], k=2)
    assert call("recommend", body=wanted).path == "history"
    assert len(call("similar", body=models.SimilarRequest(item_id="i1", k=2)).items) == 2
    pairs = models.PredictRequest(pairs=[models.Pair(user_id="u1", item_id="i9")])
    assert call("predict_rating", body=pairs).ratings[0].item_id == "i9"
    liked = models.ExplainRequest(item_ids=["i1"], liked=["i2", "i4"])
    assert call("explain", body=liked).reasons[0].nearest in ("i2", "i4")
    event = models.FeedbackEvent(
        event_id="made-1",
        user_id="made",
        item_id="i3",
        kind=models.FeedbackEventKind.RATING,
        value=4.0,
    )
    assert call("feedback", body=models.FeedbackRequest(events=[event])).stored == 1
    look = models.RecommendByImageRequest(image=[picture(), picture()], user_id="u1", k=2)
    assert call("recommend_by_image", body=look).similar[0].item_id == "i4"
    asked = models.PredictByImageRequest(image=picture(), user_ids=["u1", "x"])
    assert len(call("predict_rating_by_image", body=asked).ratings) == 2
    assert call("items", limit=5, shuffle=1).total == 12
    assert call("item", "i4").title == "Print 4"
    assert call("picture", "i4", width=models.PictureWidth.VALUE_160).startswith(b"\xff\xd8")
    assert call("model").family == "biases"
    for probe in ("livez", "healthz", "readyz", "metrics"):
        call(probe)


def test_every_example_of_the_served_document_is_answered_as_it_stands(
    client: httpx.Client, draw: Any
):
    document = client.get("/docs.json").json()
    posts = {path: item["post"] for path, item in document["paths"].items() if "post" in item}
    assert len(posts) == 7
    for path, operation in posts.items():
        ((kind, content),) = operation["requestBody"]["content"].items()
        if kind == "application/json":
            answer = client.post(path, json=content["example"])
        else:
            answer = client.post(path, data=content["example"], files={"image": draw(4)})
        assert answer.status_code == 200, (path, answer.text)
        assert answer.json().get("unknown_items", []) == []
    (named,) = document["paths"]["/items/{item_id}"]["get"]["parameters"]
    assert client.get(f"/items/{named['example']}").status_code == 200
    assert document["info"]["version"] == "model 3"


def test_example_of_feedback_teaches_nothing_and_is_stored_once(client: httpx.Client):
    document = client.get("/docs.json").json()
    body = document["paths"]["/feedback"]["post"]["requestBody"]["content"]["application/json"]
    assert [event["kind"] for event in body["example"]["events"]] == ["view"]
    client.post("/feedback", json=body["example"])
    assert client.post("/feedback", json=body["example"]).json()["repeated"] == 1

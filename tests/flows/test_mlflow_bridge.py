import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from components.paths import Workspace
from flows.asking import open_book
from flows.mlflow_bridge import RESULT_TAG, RETRAIN_TAG, make_hook, watch_retrain_tags
from flows.worker_http import Answer, Request

pytestmark = pytest.mark.integration

Deliver = Callable[..., Answer]


def payload(**changed: Any) -> dict[str, Any]:
    data = {"name": "beholder", "version": "1", "key": RETRAIN_TAG, "value": "odd lists"}
    return {"entity": "model_version_tag", "action": "set", "data": {**data, **changed}}


@pytest.fixture
def deliver(prefect_server: None, workspace: Workspace) -> Deliver:
    hook = make_hook(workspace, "secret", "beholder")

    def deliver(told: Any, secret: str = "secret") -> Answer:
        body, now = json.dumps(told).encode(), str(int(time.time()))
        signed = hmac.new(secret.encode(), f"id.{now}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "x-mlflow-signature": f"v1,{base64.b64encode(signed).decode()}",
            "x-mlflow-delivery-id": "id",
            "x-mlflow-timestamp": now,
        }
        return hook(Request(headers, body))

    return deliver


def test_signed_webhook_asks_once_and_says_what_it_rests_on(deliver: Deliver, workspace: Workspace):
    assert deliver(payload()).status == 202
    assert deliver(payload()).body == b"asked before\n"
    with open_book(workspace) as book:
        waiting = book.find_open()
    assert waiting is not None
    (one,) = waiting.asked
    assert (one.kind, one.reason) == ("registry", "odd lists (on version 1 in MLflow)")
    assert one.evidence["by"] == "webhook"


def test_webhook_without_our_signature_asks_nothing(deliver: Deliver, workspace: Workspace):
    refused = deliver(payload(), secret="guessed")
    assert (refused.status, refused.body) == (401, b"refused: its signature is wrong\n")
    with open_book(workspace) as book:
        assert book.find_open() is None


@pytest.mark.parametrize(
    "told",
    [
        payload(key="owner"),
        payload(name="another"),
        payload(value=" "),
        payload(version="x"),
        {**payload(), "action": "deleted"},
        {"entity": "model_version_tag"},
        [1],
    ],
)
def test_webhook_about_anything_else_asks_nothing(
    deliver: Deliver, workspace: Workspace, told: Any
):
    assert deliver(told).status == 200
    with open_book(workspace) as book:
        assert book.find_open() is None


def test_tag_is_heard_without_a_webhook_and_told_in_which_round(
    prefect_server: None,
    workspace: Workspace,
    place_bundles: Callable[..., Any],
    register: Callable[..., Any],
):
    from flows.releases import open_registry

    place_bundles(workspace)
    registry, version = open_registry(workspace), register(workspace)
    registry.annotate(version, RETRAIN_TAG, "odd lists")
    watch_retrain_tags(workspace)
    watch_retrain_tags(workspace)
    tags = registry.version(version.number).tags
    assert tags[RESULT_TAG] == "odd lists → asked, round 1"
    registry.annotate(version, RETRAIN_TAG, "still odd")
    watch_retrain_tags(workspace)
    with open_book(workspace) as book:
        waiting = book.find_open()
    assert waiting is not None
    assert len(waiting.asked) == 2

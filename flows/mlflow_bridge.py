"""From MLflow to a retraining: the tag `beholder.retrain` on a version, by webhook or by a look."""

import json
import logging
import time
from collections.abc import Callable

from components.paths import Workspace
from components.triggering.signature import find_flaw
from flows.asking import open_book
from flows.releases import open_registry
from flows.telling import tell
from flows.worker_http import Answer, Request

RETRAIN_TAG = "beholder.retrain"
RESULT_TAG = "beholder.retrain_result"
PATH = "/webhooks/mlflow"

_ENTITY, _ACTION = "model_version_tag", "set"

log = logging.getLogger(__name__)


def make_hook(workspace: Workspace, secret: str, model: str) -> Callable[[Request], Answer]:
    """Return what answers MLflow's webhooks; one that is not signed by `secret` is refused."""

    def answer(request: Request) -> Answer:
        flaw = find_flaw(request.headers, request.body, secret=secret, now=time.time())
        if flaw is not None:
            log.warning("webhook refused why=%s", flaw)
            return Answer(401, f"refused: {flaw}\n".encode())
        asked = read_delivery(request.body, model)
        if asked is None:
            return Answer(200, b"nothing is asked by that\n")
        number, value = asked
        is_new = tell_tag(workspace, number, value, by="webhook")
        return Answer(202, b"asked\n" if is_new else b"asked before\n")

    return answer


def read_delivery(body: bytes, model: str) -> tuple[int, str] | None:
    """Return which version a delivery asks for a retraining on, and why; None if it asks none."""
    try:
        told = json.loads(body)
        data = told["data"]
        what = (told["entity"], told["action"], data["name"], data["key"])
        number, value = int(data["version"]), str(data["value"]).strip()
    except (ValueError, KeyError, TypeError):
        return None
    if what != (_ENTITY, _ACTION, model, RETRAIN_TAG) or not value:
        return None
    return number, value


def watch_retrain_tags(workspace: Workspace) -> None:
    """Ask for what tags say, where no webhook did, and write beside each in which round it is."""
    registry = open_registry(workspace)
    for version in registry.tagged(RETRAIN_TAG):
        value = version.tags[RETRAIN_TAG].strip()
        if not value or version.tags.get(RESULT_TAG, "").startswith(f"{value} → "):
            continue
        tell_tag(workspace, version.number, value, by="tag")
        with open_book(workspace) as book:
            place = book.find_key(_name_asking(version.number, value))
        if place is not None:
            registry.annotate(version, RESULT_TAG, f"{value} → asked, round {place.round}")


def tell_tag(workspace: Workspace, number: int, value: str, *, by: str) -> bool:
    """Ask, once, for what the tag of a version says."""
    evidence = {"version": number, "tag": RETRAIN_TAG, "value": value, "by": by}
    reason = f"{value} (on version {number} in MLflow)"
    return tell(workspace, "registry", reason, evidence, key=_name_asking(number, value))


def _name_asking(number: int, value: str) -> str:
    return f"registry {number}: {value}"

"""People who ask an endpoint without a pause while it is changed, killed, or watched."""

import threading
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx


@dataclass
class Caller:
    """Somebody who asks for lists, and remembers who answered and what went wrong."""

    url: str
    pause: float = 0.0
    versions: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def ask(self, ended: threading.Event) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not ended.wait(self.pause):
                try:
                    answer = client.post("/recommend", json={"user_id": "u1", "k": 3})
                    self.versions.append(read_version(answer.raise_for_status()))
                except (httpx.HTTPError, KeyError, ValueError) as error:
                    self.failures.append(repr(error))


def read_version(answer: httpx.Response) -> str:
    """Return which version answered; raise ValueError if body and headers name different ones."""
    told: dict[str, Any] = answer.json()["model"]
    named = (answer.headers["x-model-version"], answer.headers["x-lineage-id"])
    if named != (told["version"], told["lineage_id"]):
        raise ValueError(f"the headers name {named}, the body {told}")
    return str(told["version"])


@dataclass
class Teller:
    """Somebody who sends ratings, each until it is acknowledged, and remembers which were."""

    url: str
    name: str
    acknowledged: set[str] = field(default_factory=set)
    refusals: int = 0

    def tell(self, ended: threading.Event) -> None:
        for number in count():
            event_id = f"{self.name}.{number}"
            event = {
                "event_id": event_id,
                "user_id": self.name,
                "item_id": "i1",
                "kind": "rating",
                "value": 3.0,
                "timestamp": 1_000 + number,
            }
            while not self._send(event):
                self.refusals += 1
                if ended.wait(0.05):
                    return
            self.acknowledged.add(event_id)
            if ended.is_set():
                return

    def _send(self, event: dict[str, Any]) -> bool:
        try:
            answer = httpx.post(f"{self.url}/feedback", json={"events": [event]}, timeout=5)
            told = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return False
        return bool(told["stored"] + told["repeated"] == 1)


def await_answer(caller: Caller, wanted: str) -> None:
    """Wait until a version has answered once more."""
    begun, deadline = len(caller.versions), time.monotonic() + 30
    while time.monotonic() < deadline:
        if wanted in caller.versions[begun:]:
            return
        time.sleep(0.05)
    raise AssertionError(f"version {wanted} did not answer: {caller.failures[:3]}")

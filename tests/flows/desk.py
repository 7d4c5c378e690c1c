"""A workspace whose version 2 was judged beside the champion, version 1, and awaits review."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import yaml

from components.packaging.trial import Latency, TrialReport
from components.params import load_params
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.gate import Verdict
from components.promotion.registry import Registry, Version
from flows import candidate, reviewing
from flows.releases import COMPARISON_TAG, open_registry
from flows.reviewing import Request

TRIAL = TrialReport(
    passed=True,
    reasons=(),
    questions=10,
    max_difference=1e-6,
    latency=Latency(1.0, 2.0),
    image_latency=Latency(10.0, 20.0),
    memory_mb=900.0,
    bundle_mb=20.0,
    start_seconds=3.0,
)


@dataclass(frozen=True)
class Desk:
    """A workspace, and what a test does to its versions."""

    workspace: Workspace
    add: Callable[[float | None], Version]
    comparison: Comparison

    @property
    def registry(self) -> Registry:
        return open_registry(self.workspace)

    def judge(self, number: int, gain: float = 0.05, **changed: Any) -> Verdict:
        """Judge a version beside the champion of now: better by `gain`, or in doubt if negative."""
        version = self.registry.version(number)
        better = self.comparison.difference
        assert better is not None
        low = replace(better, value=-gain, low=-gain - 0.01, high=-gain + 0.01 if gain > 0 else 0.1)
        held = replace(self.comparison, difference=low, **changed)
        text = json.dumps(held.to_json(), sort_keys=True)
        self.registry.annotate(version, COMPARISON_TAG, text)
        champion, params = self.registry.champion(), load_params(self.workspace.params)
        return candidate.decide(self.workspace, version, champion, held, TRIAL, params)

    def set_params(self, section: str, **changed: Any) -> None:
        content = yaml.safe_load(self.workspace.params.read_text())
        place = content
        for name in section.split("."):
            place = place[name]
        place.update(changed)
        self.workspace.params.write_text(yaml.safe_dump(content))

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.registry.ledger.read().entries]

    def champion(self) -> int:
        found = self.registry.champion()
        assert found is not None
        return found.number

    def stand(self, number: int) -> Any:
        scene = reviewing.look(self.workspace)
        return scene.stand(scene.registry.version(number))

    def decide(self, decision: Any, number: int = 2, **said: Any) -> Any:
        """Write a decision down, as the flow does; nothing is moved."""
        request = Request(
            number, decision, **{"reason": "better lists", "reviewer": "anna", **said}
        )
        version, _ = reviewing.check(self.workspace, request)
        return reviewing.record(self.workspace, version, request)

"""Each kind of candidate gets its verdict by the command line, on the demo's own workspace.

Each test goes on where the one before it ended.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from components.files import read_json, write_bytes
from components.models.bundle import read_digest, seal_bundle
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.gate import Verdict
from components.promotion.registry import Registry, Version
from flows.releases import COMPARISON_TAG, JUDGEMENT_TAG
from tests.end_to_end.place import BEHOLDER, Place

pytestmark = [pytest.mark.torture, pytest.mark.end_to_end, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The demo, whose owner starts with user and item averages alone."""
    folder = tmp_path_factory.mktemp("demo")
    root = folder / "demo"
    Place(Workspace(folder)).execute(BEHOLDER, "init", str(root))
    place = Place(Workspace(root), patience=1500)
    place.set_params("train", family="biases")
    place.set_params("gate.limits", max_latency_p50_ms=5000, max_latency_p99_ms=5000)
    place.run("demo", str(root))
    yield place
    place.run("down")
    shutil.rmtree(folder, ignore_errors=True)


def registry(place: Place) -> Registry:
    return Registry(f"sqlite:///{place.workspace.state / 'mlflow.db'}", "beholder")


def champion(place: Place) -> int:
    found = registry(place).champion()
    assert found is not None
    return found.number


def newest(place: Place) -> Version:
    return registry(place).versions()[0]


def judgement(version: Version) -> Verdict:
    return Verdict.from_json(json.loads(version.tags[JUDGEMENT_TAG]))


def comparison(version: Version) -> Comparison:
    return Comparison.from_json(json.loads(version.tags[COMPARISON_TAG]))


def test_first_candidate_is_judged_by_the_ladder(demo: Place):
    assert champion(demo) == 1
    verdict = judgement(newest(demo))
    assert verdict.decision == "promote"
    assert verdict.reasons[0] == "no champion yet: judged by the ladder"


def test_better_candidate_over_a_time_limit_is_rejected_and_tried_again_each_time(demo: Place):
    demo.set_params("train", family="hybrid")
    demo.set_params("gate.limits", max_latency_p99_ms=0.001)
    assert "rejected" in demo.run("retrain").stderr
    said = demo.run("retrain").stderr
    assert "unchanged" not in said
    assert "too slow: lists take (99th percentile)" in said
    assert newest(demo).number == 2
    assert judgement(newest(demo)).again
    assert champion(demo) == 1


def test_better_candidate_is_promoted_with_every_slice_judged(demo: Place):
    demo.set_params("gate.limits", max_latency_p99_ms=5000)
    said = demo.run("retrain").stderr
    assert "version 2 promoted" in said
    assert "within its margin in" in said
    assert champion(demo) == 2
    verdict, held = judgement(newest(demo)), comparison(newest(demo))
    assert set(verdict.slices) == set(held.slices) > {"warm", "cold_item", "early", "late"}
    assert verdict.policy["slices"]["must_hold"] == ["late"]
    assert verdict.policy["limits"]["max_latency_p99_ms"] == 5000


def test_nothing_new_is_unchanged_and_an_equal_candidate_is_known_by_its_digest(demo: Place):
    assert "unchanged" in demo.run("retrain").stderr
    # Other golden questions make another release of the very same model.
    demo.set_params("refit", golden_questions=32)
    said = demo.run("retrain").stderr
    assert "version 3 inconclusive" in said
    assert f"digest {read_digest(demo.workspace.evaluation_bundle)}" in said
    assert champion(demo) == 2
    demo.set_params("refit", golden_questions=64)


def test_worse_candidate_is_rejected(demo: Place):
    demo.set_params("train", family="popularity")
    said = demo.run("retrain").stderr
    assert "version 4 rejected" in said
    assert "worse: RMSE" in said
    assert judgement(newest(demo)).slices["warm"] == "worse"
    assert champion(demo) == 2
    demo.set_params("train", family="hybrid")


def test_candidate_with_a_weight_that_is_no_number_is_rejected(demo: Place):
    assert "unchanged" in demo.run("retrain").stderr
    spoil(demo.workspace.evaluation_bundle)
    # As somebody does who edits a model by hand and tells DVC that it is right so.
    demo.execute("dvc", "commit", "--force", "train")
    said = demo.run("retrain").stderr
    assert "version 5 rejected" in said
    assert "predictions and weights are not finite" in said
    assert champion(demo) == 2
    metrics = read_json(demo.workspace.evaluation_report / "metrics.json")
    assert metrics["static"]["rmse"] is None


def test_candidate_with_such_a_weight_in_the_served_model_alone_is_rejected_too(demo: Place):
    demo.execute("dvc", "repro", "--force", "train", "evaluate", "refit")
    assert "unchanged" in demo.run("retrain").stderr
    spoil(demo.workspace.served_bundle, one_only=True)
    demo.execute("dvc", "commit", "--force", "refit")
    said = demo.run("retrain").stderr
    assert "version 6 rejected" in said
    assert champion(demo) == 2


def spoil(bundle: Path, *, one_only: bool = False) -> None:
    """Make weights of a bundle NaN, and seal it again so that it counts as whole."""
    path = bundle / "weights.safetensors"
    weights = load_file(path)
    name = "item_base" if one_only else "mean"
    weights[name] = weights[name].copy()
    weights[name][-1] = np.nan
    write_bytes(path, save(weights))
    seal_bundle(bundle)

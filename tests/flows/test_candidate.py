import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from components.packaging.trial import Latency, TrialReport
from components.params import load_params
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.gate import Verdict
from components.promotion.registry import Registry, Version
from flows import candidate
from flows.releases import JUDGEMENT_TAG, open_registry

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


@pytest.fixture
def add(
    workspace: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
) -> Callable[[float], Version]:
    """Put bundles of another mean into the workspace and register them."""

    def make(mean: float) -> Version:
        place_bundles(workspace, mean)
        version: Version = register(workspace)
        return version

    return make


@pytest.fixture
def judge(workspace: Workspace, comparison: Comparison) -> Callable[..., Verdict]:
    """Let the gate judge a version beside the champion of now: it promotes, or it is in doubt."""

    def make(version: Version, *, enough_rows: bool = True, trial: TrialReport = TRIAL) -> Verdict:
        needed = comparison.rows if enough_rows else comparison.rows + 1
        gate = {"min_rows": needed, "min_users": 2, "level": comparison.level}
        set_params(workspace, gate=gate)
        params = load_params(workspace.params)
        champion = open_registry(workspace).champion()
        return candidate.decide(workspace, version, champion, comparison, trial, params)

    return make


def set_params(workspace: Workspace, **sections: dict[str, Any]) -> None:
    content = yaml.safe_load(workspace.params.read_text())
    for section, changes in sections.items():
        content[section].update(changes)
    workspace.params.write_text(yaml.safe_dump(content))


def registry(workspace: Workspace) -> Registry:
    return open_registry(workspace)


def test_workspace_without_bundles_has_nothing_finished(workspace: Workspace):
    assert candidate.find_finished(workspace) is None


def test_bundles_that_were_never_registered_or_never_judged_are_not_finished(
    workspace: Workspace, place_bundles, add
):
    place_bundles(workspace, 3.0)
    assert candidate.find_finished(workspace) is None
    add(3.0)
    assert candidate.find_finished(workspace) is None


def test_champion_is_finished(workspace: Workspace, add, judge):
    version = add(3.0)
    verdict = judge(version, enough_rows=True)
    assert verdict.decision == "promote"
    candidate.promote(workspace, version, None, verdict)
    found = candidate.find_finished(workspace)
    assert found is not None
    assert found.number == version.number


def test_version_to_promote_that_is_no_champion_is_not_finished(workspace: Workspace, add, judge):
    judge(add(3.0), enough_rows=True)
    assert candidate.find_finished(workspace) is None


def test_version_turned_down_is_finished_until_there_is_another_champion(
    workspace: Workspace, add, judge
):
    first = add(3.0)
    assert judge(first, enough_rows=False).decision == "inconclusive"
    found = candidate.find_finished(workspace)
    assert found is not None
    assert found.number == first.number
    second = add(3.5)
    registry(workspace).promote(second, None)
    add(3.0)
    assert candidate.find_finished(workspace) is None
    judge(first, enough_rows=False)
    assert candidate.find_finished(workspace) is not None


@pytest.mark.parametrize("section", ["gate", "trial"])
def test_version_turned_down_is_judged_again_by_other_rules(
    workspace: Workspace, add, judge, section: str
):
    judge(add(3.0), enough_rows=False)
    change = {"gate": {"min_rows": 7}, "trial": {"tolerance": 1e-3}}[section]
    set_params(workspace, **{section: change})
    assert candidate.find_finished(workspace) is None


@pytest.mark.parametrize(
    "trial",
    [
        replace(TRIAL, latency=Latency(300.0, 900.0)),
        TrialReport(False, ("the server was not ready in time",), timed_out=True),
    ],
)
def test_version_that_time_alone_stands_against_is_tried_again(
    workspace: Workspace, add, judge, trial: TrialReport
):
    version = add(3.0)
    assert judge(version, trial=trial).decision == "reject"
    assert candidate.find_finished(workspace) is None
    assert judge(version).decision == "promote"


@pytest.mark.parametrize(
    "trial",
    [
        replace(TRIAL, latency=Latency(300.0, 900.0), memory_mb=9000.0),
        TrialReport(False, ("golden answers differ",)),
    ],
)
def test_version_that_more_than_time_stands_against_is_finished(
    workspace: Workspace, add, judge, trial: TrialReport
):
    assert judge(add(3.0), trial=trial).decision == "reject"
    assert candidate.find_finished(workspace) is not None


def test_time_that_stood_against_a_version_once_does_not_bring_back_an_older_verdict(
    workspace: Workspace, add, judge
):
    version = add(3.0)
    assert judge(version, enough_rows=False).decision == "inconclusive"
    slow = replace(TRIAL, latency=Latency(300.0, 900.0))
    assert judge(version, trial=slow).again
    assert candidate.find_finished(workspace) is None


def test_whole_verdict_with_its_policy_is_written_on_the_version(workspace: Workspace, add, judge):
    version = add(3.0)
    verdict = judge(version)
    found = registry(workspace).version(version.number)
    written = Verdict.from_json(json.loads(found.tags[JUDGEMENT_TAG]))
    assert written == verdict
    assert written.policy == load_params(workspace.params).gate.model_dump(mode="json")
    assert written.slices == {"late": "holds"}


def test_kill_while_a_verdict_is_renewed_leaves_nothing_finished(
    workspace: Workspace, add, judge, monkeypatch: pytest.MonkeyPatch
):
    first = add(3.0)
    judge(first, enough_rows=False)
    registry(workspace).promote(add(3.5), None)
    add(3.0)
    calls = {"mark": Registry.mark, "annotate": Registry.annotate}
    for killed in calls:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Registry, killed, die)
        with pytest.raises(KeyboardInterrupt):
            judge(first, enough_rows=False)
        assert candidate.find_finished(workspace) is None
        monkeypatch.setattr(Registry, killed, calls[killed])


def test_decision_is_logged_with_how_fast_the_endpoint_answered(
    workspace: Workspace, comparison: Comparison
):
    run = candidate.track(workspace, load_params(workspace.params), "by hand")
    unmeasured = replace(TRIAL, image_latency=Latency())
    verdict = Verdict("reject", ("too slow",))
    candidate.log_decision(run, comparison, unmeasured, verdict)
    logged = run.store.client.get_run(run.run_id).data
    assert logged.metrics["trial/latency_ms/p99"] == 2.0
    assert logged.metrics["trial/memory_mb"] == 900.0
    assert not any(name.startswith("trial/image") for name in logged.metrics)
    assert logged.tags["beholder.verdict"] == "reject"


def test_retraining_of_the_same_inputs_goes_on_with_the_run_that_was_cut_off(
    workspace: Workspace,
):
    params = load_params(workspace.params)
    first = candidate.track(workspace, params, "by hand")
    assert candidate.track(workspace, params, "by hand").run_id == first.run_id
    first.end("FINISHED")
    assert candidate.track(workspace, params, "by hand").run_id != first.run_id

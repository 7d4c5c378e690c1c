"""The flow `rollback` with a real Bento: version 1 serves, version 2 is champion."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.locking import hold_lock
from components.paths import Workspace
from components.promotion.registry import Registry
from flows.releases import open_registry

pytestmark = pytest.mark.integration

Run = Callable[..., Any]


@pytest.fixture
def run(prefect_server: None, workspace: Workspace) -> Run:
    """Run the flow in this process and return the state that it ended in."""
    content = yaml.safe_load(workspace.params.read_text())
    content["gate"]["limits"] |= {"max_latency_p50_ms": 5000, "max_latency_p99_ms": 5000}
    workspace.params.write_text(yaml.safe_dump(content))

    def run(reason: str = "odd lists", to: int | None = None) -> Any:
        from flows.rollback_flow import rollback

        return rollback(str(workspace.root), reason, to, "anna", return_state=True)

    return run


@pytest.fixture
def make_two(
    workspace: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
) -> Callable[[Path], Registry]:
    """Register a bundle that serves as version 1, and make version 2 champion after it."""

    def make(served: Path) -> Registry:
        for folder in (workspace.evaluation_bundle, workspace.served_bundle):
            shutil.copytree(served, folder)
        registry = open_registry(workspace)
        registry.promote(register(workspace), None)
        place_bundles(workspace, 3.5)
        registry.promote(register(workspace), registry.champion())
        return registry

    return make


def kinds(registry: Registry) -> list[str]:
    return [entry.kind for entry in registry.ledger.read().entries]


def test_champion_before_is_back_after_its_trial_and_all_is_told(
    run: Run, make_two: Callable[[Path], Registry], served_bundle: Path
):
    registry = make_two(served_bundle)
    told = len(kinds(registry))
    state = run()
    assert (state.type.value, state.name) == ("COMPLETED", "RolledBack")
    assert state.message == "version 1: odd lists"
    champion = registry.champion()
    assert champion is not None
    assert champion.number == 1
    assert kinds(registry)[told:] == ["moving", "moved", "rollback"]
    moved = registry.ledger.read().entries[-2]
    assert (moved.actor, moved.reason) == ("anna", "odd lists")
    assert len(moved.evidence["trial"]) == 64
    assert registry.ledger.verify() == ()
    # And once more, as after a kill at the very end: nothing is left to do.
    again = run(to=1)
    assert again.name == "Unchanged"
    assert len(kinds(registry)) == told + 3


def test_rollback_killed_after_the_alias_moved_is_finished_by_the_same_command(
    run: Run, make_two: Callable[[Path], Registry], served_bundle: Path
):
    registry = make_two(served_bundle)
    registry.roll_back(registry.version(1), registry.champion(), reason="killed one", actor="bert")
    state = run()
    assert (state.name, state.message) == ("RolledBack", "version 1: killed one")
    assert state.result()["left"] == 2
    assert kinds(registry)[-1] == "rollback"


def test_version_that_fails_its_trial_now_leaves_the_champion_alone(
    run: Run, workspace: Workspace, make_two: Callable[[Path], Registry], served_bundle: Path
):
    content = yaml.safe_load(workspace.params.read_text())
    content["trial"]["max_start_seconds"] = 1
    workspace.params.write_text(yaml.safe_dump(content))
    registry = make_two(served_bundle)
    state = run()
    assert (state.type.value, state.name) == ("FAILED", "Failed")
    assert "version 1 failed its trial (the server was not ready in time" in state.message
    champion = registry.champion()
    assert champion is not None
    assert champion.number == 2
    assert kinds(registry)[-1] == "refused"
    assert registry.version(1).tags["beholder.trial"] == "failed"


def test_second_rollback_at_once_is_refused_and_a_retraining_is_not_waited_for(
    run: Run, workspace: Workspace, make_two: Callable[[Path], Registry], served_bundle: Path
):
    registry = make_two(served_bundle)
    registry.roll_back(registry.version(1), registry.champion(), reason="killed one")
    with hold_lock(workspace.run / "rollback.lock", wait_seconds=0, what="a test"):
        assert "is in use by process" in run().message
    with hold_lock(workspace.work_lock, wait_seconds=0, what="a retraining"):
        assert run().name == "RolledBack"

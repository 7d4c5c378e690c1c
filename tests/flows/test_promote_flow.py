"""The flow `promote` with real Bentos: version 2 awaits review beside version 1, the champion."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.files import write_parquet
from components.locking import hold_lock
from flows.releases import has_tried_bento, package_bento
from tests.flows.desk import Desk

pytestmark = pytest.mark.integration

Run = Callable[..., Any]


@pytest.fixture
def run(prefect_server: None, desk: Desk) -> Run:
    """Run the flow in this process and return the state that it ended in."""

    def run(decision: str = "approve", version: int = 2, **said: Any) -> Any:
        from flows.promote_flow import promote

        given = {"reason": "better lists", "reviewer": "anna", **said}
        place = str(desk.workspace.root)
        return promote(version, decision, workspace=place, **given, return_state=True)

    return run


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Bento of version 2 stands, the same for every test, once one has packaged it."""
    return tmp_path_factory.mktemp("bentos") / "2"


@pytest.fixture
def packaged(desk: Desk, shelf: Path) -> Desk:
    """The Bento that was tried stands."""
    version = desk.registry.version(2)
    if not shelf.exists():
        shutil.copytree(package_bento(desk.workspace, version), shelf)
    shutil.copytree(shelf, desk.workspace.bentos / "2", dirs_exist_ok=True)
    assert has_tried_bento(desk.workspace, version)
    return desk


def test_approved_version_is_champion_and_all_is_told(run: Run, packaged: Desk):
    desk = packaged
    told = len(desk.kinds())
    state = run()
    assert (state.type.value, state.name) == ("COMPLETED", "Promoted")
    assert state.message == "version 2: approved by anna: better lists"
    assert desk.champion() == 2
    assert desk.kinds()[told:] == ["decision", "moving", "moved"]
    decision, _, moved = desk.registry.ledger.read().entries[-3:]
    assert (moved.actor, moved.reason) == ("anna", "approved: better lists")
    assert moved.evidence["decision"] == decision.sha256
    assert moved.evidence["verdict"] == decision.evidence["verdict"]
    assert decision.evidence["way"] == "form"
    assert desk.registry.version(2).tags["beholder.decision"] == "approved by anna: better lists"
    assert desk.registry.ledger.verify() == ()
    # And once more, as after a kill at the very end: nothing is left to do.
    assert run().name == "Unchanged"
    assert run("reject").message.startswith("version 2 cannot be rejected: it is champion")
    assert len(desk.kinds()) == told + 3


def test_approval_killed_after_it_was_written_is_finished_in_the_name_of_who_gave_it(
    run: Run, packaged: Desk
):
    desk = packaged
    desk.decide("approve", reviewer="bert", reason="first")
    assert run().name == "Promoted"
    assert desk.kinds().count("decision") == 1
    assert desk.registry.ledger.read().entries[-1].actor == "bert"


def test_rejection_leaves_the_champion_and_stands_against_a_later_approval(run: Run, desk: Desk):
    state = run("reject", reason="look-alikes")
    assert (state.type.value, state.name) == ("COMPLETED", "Rejected")
    assert state.message == "version 2: rejected by anna: look-alikes"
    assert run("reject", reason="look-alikes").name == "Rejected"  # as after a kill
    assert desk.kinds().count("decision") == 1
    late = run(reviewer="bert")
    assert (late.type.value, late.name) == ("FAILED", "Failed")
    assert "version 2 cannot be approved: anna rejected it at" in late.message
    assert desk.champion() == 1


def test_second_decision_at_once_is_refused_and_names_the_first(run: Run, desk: Desk):
    with hold_lock(desk.workspace.run / "promote.lock", wait_seconds=0, what="a test"):
        assert "is in use by process" in run().message
    assert desk.champion() == 1
    assert "decision" not in desk.kinds()


def test_bento_that_is_lost_is_tried_again_before_anything_moves(run: Run, desk: Desk):
    desk.set_params("trial", max_start_seconds=0.1)
    desk.judge(2)
    state = run()
    assert state.type.value == "FAILED"
    assert "had to be packaged anew and failed its trial (the server was not" in state.message
    assert desk.kinds()[-1] == "refused"
    assert desk.champion() == 1
    assert desk.stand(2).state == "failed"


@pytest.fixture
def overtaken(packaged: Desk) -> Desk:
    """Version 3 has become champion meanwhile; version 2 is better than it, on rows of now."""
    desk = packaged
    desk.set_params("trial", requests=10)
    desk.set_params("gate.slices", must_hold=[])
    rows = [
        (f"new{user}", f"i{item}", 3.0 + (item - 5.5) / 5.5, 2000 + user)
        for user in range(12)
        for item in range(12)
    ]
    columns = ["user_id", "item_id", "rating", "timestamp"]
    write_parquet(desk.workspace.split / "test.parquet", pd.DataFrame(rows, columns=columns))
    shutil.copytree(desk.workspace.evaluation_bundle, desk.workspace.ladder / "biases")
    desk.registry.promote(desk.add(4.5), desk.registry.version(1))
    return desk


def test_approval_of_what_was_judged_beside_another_champion_is_judged_anew_and_waits(
    run: Run, overtaken: Desk
):
    desk = overtaken
    state = run()
    assert (state.type.value, state.name) == ("COMPLETED", "AwaitingReview")
    assert "judged beside version 1, and now the champion is version 3" in state.message
    assert desk.champion() == 3
    standing = desk.stand(2)
    assert (standing.is_stale, standing.is_renewed) == (False, True)
    assert f"beholder review approve 2 --seen {standing.evidence}" in state.message
    assert desk.kinds()[-2:] == ["decision", "verdict"]
    # The same command once more, as after a kill: nobody has seen the new numbers.
    again = run()
    assert again.type.value == "FAILED"
    assert "judged again, with other numbers than before" in again.message
    assert run(seen=standing.evidence).name == "Promoted"
    assert desk.champion() == 2


def test_retraining_that_is_at_work_is_waited_for_and_its_lack_of_files_is_named(
    run: Run, overtaken: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("flows.promote_flow._WAIT_SECONDS", 0)
    with hold_lock(overtaken.workspace.work_lock, wait_seconds=0, what="a test"):
        assert "(retrain) is in use by process" in run().message
    shutil.rmtree(overtaken.workspace.ladder)
    assert "ladder is missing, without which nothing can be compared" in run().message
    assert overtaken.champion() == 3

import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.errors import BeholderError
from components.files import write_json
from components.locking import hold_lock
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.gate import Verdict
from tests.flows.desk import Desk

pytestmark = pytest.mark.integration

SAY = "mkdir -p .beholder/run && cp error.json .beholder/run/step-error.json && exit 1"

Run = Callable[[Workspace], Any]


@pytest.fixture
def run(prefect_server: None, pipeline: Workspace) -> Run:
    """Run the flow in this process and return the state that it ended in."""

    def run(workspace: Workspace) -> Any:
        from flows.retrain_flow import retrain

        return retrain(str(workspace.root), "by a test", return_state=True)

    return run


@pytest.mark.parametrize(("stage", "name"), [("validate", "ValidationFailed"), ("split", "Failed")])
def test_step_that_fails_ends_the_run_in_its_words(
    pipeline: Workspace, run: Run, set_command: Callable[..., None], stage: str, name: str
):
    from flows.tracking import Store

    (pipeline.root / "error.json").write_text('{"message": "too much is refused"}')
    tables = {table: {"accepted": 1, "refused": 0} for table in ("ratings", "items", "images")}
    write_json(pipeline.validation_report / "summary.json", tables)
    set_command(pipeline, stage, SAY)
    state = run(pipeline)
    assert (state.type.value, state.name) == ("FAILED", name)
    assert state.message == f"{stage}: too much is refused"
    client = Store(f"sqlite:///{pipeline.state / 'mlflow.db'}").client
    experiment = client.get_experiment_by_name("beholder")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FAILED"
    with closing(sqlite3.connect(pipeline.notices)) as connection:
        told = connection.execute("select event, state from notices").fetchall()
    assert told == [("beholder.failed", "sent")]


def test_second_run_of_a_workspace_fails_at_once_and_names_the_first(pipeline: Workspace, run: Run):
    import os

    with hold_lock(pipeline.run / "retrain.lock", wait_seconds=0, what="a test"):
        state = run(pipeline)
    assert (state.type.value, state.name) == ("FAILED", "Failed")
    assert f"is in use by process {os.getpid()}" in state.message


def test_broken_parameters_end_the_run_in_one_sentence(pipeline: Workspace, run: Run):
    pipeline.params.write_text("train: 1")
    state = run(pipeline)
    assert state.name == "Failed"
    assert str(pipeline.params) in state.message


@pytest.fixture
def champion(
    pipeline: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
) -> int:
    from flows.releases import open_registry

    place_bundles(pipeline)
    version = register(pipeline)
    open_registry(pipeline).mark(version, Verdict("promote", ("better",)))
    open_registry(pipeline).promote(version, None)
    return int(version.number)


def test_champion_of_these_very_inputs_is_left_as_it_is(
    pipeline: Workspace, run: Run, champion: int
):
    state = run(pipeline)
    assert (state.type.value, state.name) == ("COMPLETED", "Unchanged")
    assert state.message == f"nothing changed since version {champion}, the champion"
    assert state.result()["version"] == champion


def test_version_that_awaits_review_or_was_rejected_is_named_and_not_made_again(
    pipeline: Workspace,
    run: Run,
    place_bundles: Callable[..., Any],
    register: Callable[..., Any],
    comparison: Comparison,
):
    from flows.retrain_flow import _leave, name_state

    desk = Desk(pipeline, lambda _: register(pipeline), comparison)
    desk.set_params("review", policy="required")
    desk.set_params("gate", min_rows=5, min_users=2)
    place_bundles(pipeline)
    register(pipeline)
    verdict = desk.judge(1)
    left = _leave(pipeline, 1, verdict, "r")
    assert (left.version, name_state(left.decision)) == (1, "AwaitingReview")
    assert "beholder review approve 1 --reason …" in left.reasons
    state = run(pipeline)
    assert state.name == "Unchanged"
    assert state.message.startswith("nothing changed since version 1, awaits review; beholder ")
    desk.decide("reject", 1, reason="look-alikes")
    again = run(pipeline).message
    assert again.startswith("nothing changed since version 1, rejected: anna rejected it at")
    assert again.endswith("(look-alikes)")
    assert len(desk.registry.versions()) == 1


def test_failure_is_raised_with_the_message_of_the_run(
    pipeline: Workspace, prefect_server: None, set_command: Callable[..., None]
):
    from flows.retraining import run_retrain

    set_command(pipeline, "validate", "echo out of tune && exit 3")
    with pytest.raises(BeholderError, match=r"(?s)^validate: .*out of tune"):
        run_retrain(pipeline, "by a test")


def test_run_whose_process_died_is_closed_and_that_of_another_workspace_is_not(
    prefect_server: None, tmp_path: Path
):
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    from flows.retrain_flow import retrain
    from flows.run_page import close_abandoned_runs

    ours, other = tmp_path / f"ours-{uuid.uuid4()}", tmp_path / "other"
    with get_client(sync_client=True) as client:
        left = {
            place: client.create_flow_run(
                retrain, parameters={"workspace": str(place)}, state=Running()
            )
            for place in (ours, other)
        }
        living = client.create_flow_run(
            retrain, parameters={"workspace": str(ours)}, state=Running()
        )
        later = datetime.now(UTC) + timedelta(minutes=1)
        mark = ours / ".beholder/run/flows" / f"{living.id}.lock"
        with hold_lock(mark, wait_seconds=0, what="a run that waits, or is about to say its end"):
            close_abandoned_runs(Workspace(ours))
            assert client.read_flow_run(left[ours].id).state.type.value == "RUNNING"  # just begun
            close_abandoned_runs(Workspace(ours), now=later)
        assert client.read_flow_run(living.id).state.type.value == "RUNNING"
        states = {place: client.read_flow_run(run.id).state for place, run in left.items()}
    assert states[ours].type.value == "CRASHED"
    assert "the next run went on with its work" in states[ours].message
    assert states[other].type.value == "RUNNING"

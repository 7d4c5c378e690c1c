"""The deployment's flow `retrain` on a pipeline of tiny stages: goes, skips, joins and fails."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from components.files import write_json
from components.locking import hold_lock
from components.paths import Workspace
from components.promotion.gate import Verdict
from components.triggering.policy import Asked
from flows.asking import open_book

pytestmark = pytest.mark.integration

Start = Callable[..., Any]


@pytest.fixture
def start(prefect_server: None, pipeline: Workspace, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run the flow in this process as a trigger does, and return the state that it ended in."""
    from components.batches import Batch, write_batches
    from flows.retrain_flow import retrain

    tables = {table: {"accepted": 1, "refused": 0} for table in ("ratings", "items", "images")}
    write_json(pipeline.validation_report / "summary.json", tables)  # what `validate` would tell
    name = "a" * 64
    write_batches(pipeline, (Batch(name[:16], name, 3, 3, 10),))

    def start(reason: str = "a test", **parameters: Any) -> Any:
        given = {"kind": "data", **parameters}
        return retrain(str(pipeline.root), reason, return_state=True, **given)

    return start


@pytest.fixture
def champion(
    pipeline: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
) -> int:
    from components.params import load_params
    from flows.lineage import digest_learning_params
    from flows.releases import open_registry

    place_bundles(pipeline)
    registry = open_registry(pipeline)
    version = register(pipeline)
    digest = digest_learning_params(load_params(pipeline.params))
    registry.annotate(version, "beholder.params", digest)
    registry.mark(version, Verdict("promote", ("better",)))
    registry.promote(version, None)
    return int(version.number)


def set_policy(workspace: Workspace, **changed: Any) -> None:
    content = yaml.safe_load(workspace.params.read_text())
    content["triggers"].update(changed)
    workspace.params.write_text(yaml.safe_dump(content))


def test_person_who_asks_is_answered_though_nothing_is_new(
    start: Start, pipeline: Workspace, champion: int
):
    state = start("curious", kind="hand")
    assert (state.type.value, state.name) == ("COMPLETED", "Unchanged")
    with open_book(pipeline) as book:
        (found,) = book.latest()
        assert (found.outcome, found.version) == ("unchanged", champion)
        assert [(one.kind, one.reason) for one in found.asked] == [("hand", "curious")]
        assert found.flow_run


def test_trigger_without_anything_new_is_skipped_with_its_reason_and_evidence(
    start: Start, pipeline: Workspace, champion: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("flows.situation.has_other_recipe", lambda *_: False)
    monkeypatch.setattr("flows.situation.data_version", lambda _: "d" * 64)
    state = start("drift of looks", kind="drift", evidence={"psi": 0.4})
    assert (state.type.value, state.name) == ("COMPLETED", "Skipped")
    assert state.message.startswith("0 new ratings and items since the last training")
    with open_book(pipeline) as book:
        (found,) = book.latest()
        assert found.outcome == "skipped"
        assert dict(found.asked[0].evidence) == {"psi": 0.4}


def test_who_comes_after_the_round_was_heard_is_told_by_which_run(
    start: Start, pipeline: Workspace, champion: int
):
    first = start("one", kind="hand", key="k")
    again = start("one", kind="hand", key="k")
    assert (again.name, again.result()["version"]) == ("Skipped", champion)
    assert again.message.startswith("round 1 was heard before by flow run ")
    assert again.message.endswith(": unchanged")
    assert first.name == "Unchanged"
    assert start(round_number=7, kind=None).message == "there is no round 7 in the book of triggers"


def test_triggered_run_waits_for_one_in_a_terminal_and_takes_along_who_asks_meanwhile(
    start: Start, pipeline: Workspace, champion: int
):
    ended: list[Any] = []
    with hold_lock(pipeline.work_lock, wait_seconds=0, what="a test"):
        waiting = threading.Thread(target=lambda: ended.append(start("one", kind="hand")))
        waiting.start()
        with open_book(pipeline) as book:
            while book.find_open() is None:
                waiting.join(0.1)
            assert book.ask(Asked("hand", "two", {}, 0.0)).round == 1
            assert book.at_work() == []
    waiting.join()
    assert ended[0].name == "Unchanged"
    with open_book(pipeline) as book:
        assert [one.reason for one in book.latest()[0].asked] == ["one", "two"]


def test_data_that_is_refused_is_an_answer_and_not_asked_of_again(
    start: Start, pipeline: Workspace, set_command: Callable[..., None]
):
    (pipeline.root / "error.json").write_text('{"message": "too much is refused"}')
    say = "mkdir -p .beholder/run && cp error.json .beholder/run/step-error.json && exit 1"
    set_command(pipeline, "validate", say)
    set_policy(pipeline, pause_minutes=0)
    state = start()
    assert (state.type.value, state.name) == ("FAILED", "ValidationFailed")
    again = start()
    assert again.name == "Skipped"
    assert again.message == "asked before on the same data and parameters, and answered in round 1"


def test_failure_by_chance_is_tried_again(
    start: Start, pipeline: Workspace, set_command: Callable[..., None]
):
    set_command(pipeline, "split", "echo out of tune && exit 3")
    set_policy(pipeline, pause_minutes=0)
    for _ in range(2):
        state = start()
        assert (state.type.value, state.name) == ("FAILED", "Failed")
        assert "out of tune" in state.message
    with open_book(pipeline) as book:
        assert [found.outcome for found in book.latest()] == ["failed", "failed"]

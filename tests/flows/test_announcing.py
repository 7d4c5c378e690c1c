"""What people are told: real runs, a real Prefect server, and a receiver that listens."""

import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.notices.receiver import Receiver, keep_receiver, make_receiver
from components.paths import Workspace
from flows.deployments import EVENTS
from tests.flows.desk import Desk
from tests.flows.hearing import SECRET, Ear

pytestmark = pytest.mark.integration


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.close()


@pytest.fixture
def told(prefect_server: None, workspace: Workspace, ear: Ear) -> Iterator[Receiver]:
    """Let the ear be told of everything that happens in the workspace."""
    from flows.calling import ensure_calls

    receiver = make_receiver(ear.url, None, None)
    keep_receiver(workspace, receiver)
    assert ensure_calls(workspace)
    assert not ensure_calls(workspace)
    yield receiver
    workspace.receiver.unlink(missing_ok=True)
    ensure_calls(workspace)


def make_run(workspace: Workspace, name: str = "retrain, by hand", **given: Any) -> Any:
    from prefect.client.schemas.objects import FlowRun

    parameters = {"workspace": str(workspace.root), **given}
    return FlowRun(id=uuid.uuid4(), flow_id=uuid.UUID(int=7), name=name, parameters=parameters)


def end(workspace: Workspace, state: Any, **given: Any) -> None:
    """End a run as its flow's hook hears of it."""
    from flows.announcing import announce

    announce(None, make_run(workspace, **given), state)


def waiting(workspace: Workspace) -> list[str]:
    from flows.announcing import open_outbox

    with open_outbox(workspace) as outbox:
        return [one.event for one in outbox.waiting()]


def await_call(workspace: Workspace, key: str) -> None:
    from flows.announcing import emit
    from flows.calling import TEST

    emit(workspace, TEST, {"text": key}, key)


def test_review_rejection_promotion_failure_and_drift_arrive_once_each(
    told: Receiver, desk: Desk, ear: Ear
):
    from prefect.states import Completed, Failed

    from flows.announcing import emit
    from flows.promote_flow import promote

    workspace = desk.workspace
    left: dict[str, Any] = {"decision": "awaiting review", "version": 2}
    for decision in ("awaiting review", "unchanged"):  # a repeated run tells nothing new
        end(workspace, Completed(data={**left, "decision": decision}), reason="new posters")
    review = ear.listen()
    assert review["event"] == "beholder.review.needed"
    lines = review["text"].splitlines()
    assert lines[0] == "here: version 2 awaits your review"
    assert lines[1].startswith("RMSE 0.8500 (0.8400 – 0.8600), the champion's 0.9000 (")
    assert lines[2].startswith("why: ")
    assert lines[3:7] == [
        "asked by: new posters",
        "next: beholder review show 2",
        "next: beholder review approve 2 --reason …",
        "next: beholder review reject 2 --reason …",
    ]
    assert lines[7] == review["link"]
    assert review["version"] == 2
    assert review["rmse"]["candidate"]["value"] == 0.85

    place = str(workspace.root)
    for _ in range(2):
        state: Any = promote(2, "reject", "look-alikes", "anna", workspace=place, return_state=True)
        assert state.name == "Rejected"
    rejected = ear.listen()
    assert rejected["event"] == "beholder.rejected"
    assert "version 2 is rejected by anna\n" in rejected["text"]
    assert "why: look-alikes\nasked by: reject, by form" in rejected["text"]

    end(workspace, Completed(data={"decision": "promoted", "version": 1}))
    promoted = ear.listen()
    assert promoted["event"] == "beholder.promoted"
    assert promoted["says"].startswith("version 1 is champion (by ")

    refused = Failed(name="ValidationFailed", message="validate: too much is refused\nfirst: i7")
    end(workspace, refused)
    end(workspace, refused)  # the same again, as by a schedule
    failed = ear.listen()
    assert failed["event"] == "beholder.failed"
    assert failed["says"] == "retrain: the data was refused: validate: too much is refused"
    assert failed["reasons"] == ["first: i7"]

    alarm = {"workspace": place, "text": "here: items look otherwise"}
    emit(workspace, EVENTS["drift"], alarm, "drift")
    emit(workspace, EVENTS["drift"], alarm, "drift")
    assert ear.listen()["text"] == "here: items look otherwise"
    own = {"workspace": place, "reason": "told by somebody else"}
    emit(workspace, EVENTS["online-rmse"], own, "rmse")
    assert ear.listen()["text"] == "told by somebody else"
    assert ear.heard.empty()
    assert waiting(workspace) == []


def test_run_that_was_killed_is_told_of_once_by_the_worker(
    told: Receiver, workspace: Workspace, ear: Ear
):
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    from flows.reconciling import reconcile
    from flows.retrain_flow import retrain

    with get_client(sync_client=True) as client:
        given = {"workspace": str(workspace.root)}
        made = client.create_flow_run(retrain, parameters=given, state=Running())
    for minutes in (2, 3, 4):
        reconcile(workspace, datetime.now(UTC) + timedelta(minutes=minutes))
    crashed = ear.listen()
    assert crashed["event"] == "beholder.failed"
    assert "crashed: Its process ended without a word" in crashed["says"]
    assert crashed["link"].endswith(str(made.id))
    assert ear.heard.empty()


def test_receiver_that_is_down_is_logged_and_shown_and_its_secret_nowhere(
    told: Receiver, workspace: Workspace, ear: Ear, caplog: pytest.LogCaptureFixture
):
    import time

    from prefect.states import Failed

    from components.notices.deliveries import read_deliveries
    from flows.notice_watch import NoticeWatch
    from flows.status_loop import describe_loop

    caplog.set_level(logging.DEBUG)
    ear.close()
    watch = NoticeWatch(workspace)
    end(workspace, Failed(message="split: no room"))
    assert waiting(workspace) == []  # Prefect has it
    deadline = time.monotonic() + 60
    while read_deliveries(workspace).failed is None:
        assert time.monotonic() < deadline
        watch.look_once()
        time.sleep(0.2)  # nothing to await: Prefect writes its events down in batches
    watch.look_once()
    said = [one.getMessage() for one in caplog.records if "not delivered" in one.getMessage()]
    assert len(said) == 1
    assert "ConnectError" in said[0]
    shown = dict(describe_loop(workspace))["notify"]
    assert "not delivered: Webhook call failed" in shown
    assert "127.0.0.1" in shown
    assert SECRET not in shown + caplog.text


def test_prefect_that_is_down_fails_nothing_and_gets_the_notice_later(
    told: Receiver, workspace: Workspace, ear: Ear, caplog: pytest.LogCaptureFixture
):
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.states import Failed

    from flows.notice_watch import NoticeWatch

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        end(workspace, Failed(message="split: no room"))
    assert "notice not sent" in caplog.text
    assert waiting(workspace) == ["beholder.failed"]
    NoticeWatch(workspace).look_once()
    assert ear.listen()["says"] == "retrain: failed: split: no room"
    assert waiting(workspace) == []


def test_prefect_that_forgot_all_is_set_up_again_and_nobody_is_called_once_that_is_wanted(
    told: Receiver, workspace: Workspace, ear: Ear
):
    from prefect.client.orchestration import get_client

    from flows.calling import ensure_calls, name_automation, name_block

    def known() -> tuple[list[Any], list[str]]:
        with get_client(sync_client=True) as client:
            blocks = client.read_block_documents(include_secrets=False)
            found = client.read_automations_by_name(name_automation(workspace))
            ours = [one for one in blocks if one.name == name_block(workspace)]
            return found, [str(one.data["url"]) for one in ours]

    (automation,), urls = known()
    assert len(urls) == 1
    assert SECRET not in urls[0]  # Prefect shows nobody what a block keeps secret
    with get_client(sync_client=True) as client:
        client.delete_automation(automation.id)
    assert ensure_calls(workspace)
    (again,), _ = known()
    assert again.id != automation.id
    keep_receiver(workspace, make_receiver(ear.url, "slack", "failed"))
    assert ensure_calls(workspace)
    (changed,), _ = known()
    assert (changed.id, len(changed.trigger.expect)) == (again.id, 2)
    await_call(workspace, "<!channel> & co")
    assert ear.listen() == {"text": "&lt;!channel&gt; &amp; co"}
    workspace.receiver.unlink()
    assert ensure_calls(workspace)
    assert known() == ([], [])
    assert not ensure_calls(workspace)


@pytest.mark.parametrize(
    ("payload", "arrived", "says"),
    [
        ({"status_code": 204}, True, "it answered 204"),
        ({"status_code": 302}, False, "it answered 302"),
        ({"status_code": 404, "response_body": f"no {SECRET} here"}, False, "it answered 404"),
        ({"reason": f"no host in http://a/{SECRET}"}, False, "no host in …"),
    ],
)
def test_call_arrived_if_the_receiver_took_it(payload: Any, arrived: bool, says: str):
    from flows.calling import read_call

    event = {"payload": payload, "occurred": "2026-11-22T12:00:00Z", "related": []}
    call = read_call(event, make_receiver(f"http://a/{SECRET}", None, None))
    assert (call.delivery.arrived, call.delivery.says) == (arrived, says)


def test_command_sets_tests_changes_and_removes_who_is_told(
    prefect_server: None,
    workspace: Workspace,
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
):
    from prefect.settings import PREFECT_API_URL
    from typer.testing import CliRunner

    from flows.cli import app

    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))

    def call(*said: str, **more: Any) -> Any:
        place = ["--workspace", str(workspace.root)]
        return CliRunner().invoke(app, ["notify", *said, *place], **more)

    assert "nobody is told" in call().stdout
    done = call("-", "--test", input=f"{ear.url}\n")
    assert "arrived: it answered 200" in done.stdout, done
    assert "test of its notifications" in ear.listen()["text"]
    changed = call("--on", "drift,failed")
    assert "on       failed, drift" in changed.stdout
    failed = call(f"{ear.url}Typo", "--test")
    assert failed.exit_code == 1
    told = str(failed.exception)
    assert "did not take it: it answered 404" in told
    assert "the address stays, and http://127.0.0.1:" in told
    assert "'beholder notify URL' sets another one, 'beholder notify --off' removes it" in told
    assert "Typo" in workspace.receiver.read_text()
    off = call("--off")
    assert "nobody is told any more" in off.stdout
    assert not workspace.receiver.exists()
    for result in (done, changed, failed, off):
        assert "S3cret" not in f"{result.output}{result.exception}"

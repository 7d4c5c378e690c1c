"""The flow `monitor` over real logs, a real registry and a real Prefect server."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml

from components.answers.address import find_address as find_answers
from components.answers.answered import Answered
from components.answers.log import AnswerLog
from components.batches import Batch, write_batches
from components.feedback.address import find_address as find_feedback
from components.feedback.events import Event
from components.feedback.log import FeedbackLog
from components.files import write_parquet
from components.models.bundle import load_bundle, save_bundle, seal_bundle
from components.models.catalogue import UserBook
from components.monitoring.snapshot import Snapshot, list_looks, read_last
from components.paths import Workspace
from components.settings import Settings
from flows.asking import open_book
from flows.deployments import name_resource
from flows.releases import open_registry
from tests.flows.desk import Desk

pytestmark = pytest.mark.integration

Run = Callable[[], Any]
SMALL = {"min_ratings": 5, "min_users": 2, "min_items": 2, "false_alarms": 0.2, "draws": 200}


@pytest.fixture
def run(prefect_server: None, workspace: Workspace) -> Run:
    """Run the flow in this process and return the state that it ended in."""
    content = yaml.safe_load(workspace.params.read_text())
    content["monitor"] |= SMALL
    workspace.params.write_text(yaml.safe_dump(content))

    def run() -> Any:
        from flows.monitor_flow import monitor

        return monitor(str(workspace.root), "by a test", return_state=True)

    return run


@pytest.fixture
def champion(workspace: Workspace, served_bundle: Path, register: Callable[..., Any]) -> str:
    """Make version 1 champion, whose test were the ratings of u4 and of item i3."""
    for folder in (workspace.served_bundle, workspace.evaluation_bundle):
        shutil.copytree(served_bundle, folder)
    bundle = load_bundle(served_bundle)
    book = bundle.users
    rows = pd.DataFrame(
        {
            "user_id": np.repeat(np.array(book.user_ids, dtype=object), np.diff(book.offsets)),
            "item_id": bundle.catalogue.ids(book.items_N),
            "rating": book.ratings_N,
            "timestamp": book.times_N,
        }
    )
    kept = rows[(rows["user_id"] != "u4") & (rows["item_id"] != "i3")]
    evaluation = replace(bundle, users=UserBook.from_ratings(kept, bundle.catalogue))
    save_bundle(evaluation, workspace.evaluation_bundle)
    seal_bundle(workspace.evaluation_bundle)
    registry = open_registry(workspace)
    registry.promote(register(workspace), None)
    return "1"


def answer(workspace: Workspace, users: int, *, hours: float, path: str = "factors") -> list[str]:
    """Keep an answer to each user so many hours ago, and return the ids of their requests."""
    log = AnswerLog(find_answers(workspace, Settings()) or "")
    log.begin(keep_days=30, max_gb=1)
    ids = [f"r{hours}-{path}-{number}" for number in range(users)]
    for number, request in enumerate(ids):
        user = f"u{number}" if path == "factors" else f"stranger{number}"
        told = (request, time.time() - 3600 * hours, 0.003, "/recommend", "1", "814e34d0720b36d1")
        log.submit(Answered(*told, "", user, path, ("i1", "i2", "i3"), (3.0, 3.5, 4.0)))
    log.close()
    return ids


def rate(workspace: Workspace, requests: list[str], value: float) -> None:
    log = FeedbackLog(find_feedback(workspace, Settings()))
    sent = [
        Event(f"{request}-{item}", f"u{number}", item, "rating", value, None, request)
        for number, request in enumerate(requests)
        for item in ("i1", "i2", "i3")
    ]
    log.submit("", sent).result(timeout=30)
    log.close()


def last(workspace: Workspace) -> Snapshot:
    found = read_last(workspace)
    assert found is not None
    return found


def read_events(kind: str) -> list[dict[str, Any]]:
    from prefect.settings import PREFECT_API_URL

    wanted = {"filter": {"event": {"name": [kind]}}, "limit": 50}
    answered = httpx.post(f"{PREFECT_API_URL.value()}/events/filter", json=wanted, timeout=20)
    answered.raise_for_status()
    return list(answered.json()["events"])


def await_event(kind: str, workspace: Workspace) -> dict[str, Any]:
    """Return the one event of this workspace: the server stores what it took a little later."""
    deadline = time.monotonic() + 30
    while True:
        ours = [e for e in read_events(kind) if e["payload"]["workspace"] == str(workspace.root)]
        if ours or time.monotonic() > deadline:
            (event,) = ours
            return event
        time.sleep(0.1)  # nothing to await: the server tells nobody when it has written


def test_without_a_champion_the_look_is_skipped_and_says_so(run: Run, workspace: Workspace):
    state = run()
    assert (state.name, state.is_completed()) == ("Skipped", True)
    assert "run 'beholder retrain'" in state.message
    assert list_looks(workspace) == []


def test_champion_whom_nobody_has_asked_is_looked_at_and_what_is_missing_is_said(
    run: Run, workspace: Workspace, champion: str
):
    state = run()
    assert state.name == "Quiet"
    look = last(workspace)
    assert (look.champion.version, look.champion.family) == (champion, "biases")
    assert look.champion.since == pytest.approx(time.time(), abs=300)
    assert {check.kind: check.why for check in look.checks} == {
        "rmse": "no feedback was given, or no answers are kept",
        "ratings": "no feedback was given, or no answers are kept",
        "images": "nobody knows any more which batches the champion learnt",
        "users": "no answers are kept",
        "activity": "no answers are kept",
    }
    assert "no answers are kept" in (workspace.monitor / "monitor.html").read_text()


def test_answers_that_are_far_off_are_an_alarm_that_is_told_once(
    run: Run, workspace: Workspace, champion: str
):
    answer(workspace, 1, hours=24 * 15)
    answer(workspace, 5, hours=24 * 9)
    rate(workspace, answer(workspace, 5, hours=1), 0.5)
    state = run()
    assert state.name == "Alarm"
    first = last(workspace)
    alarm = first.alarms[0]
    assert (alarm.kind, alarm.version) == ("rmse", "1")
    assert first.feedback is not None
    assert (first.feedback.named, first.feedback.found) == (15, 15)
    (online,) = first.online
    assert online.rmse.value == pytest.approx(3.0276, abs=1e-4)
    assert (online.ratings, online.users) == (15, 5)
    assert first.check("activity").state == "quiet"
    event = await_event("beholder.rmse.risen", workspace)
    assert event["resource"]["prefect.resource.id"] == name_resource(workspace)
    assert event["payload"]["kind"] == "rmse"
    assert event["payload"]["value"] == pytest.approx(first.check("rmse").value)
    assert event["payload"]["version"] == "1"
    assert event["payload"]["text"].startswith(f"here: {alarm.says}\nnext: {alarm.next}\nhttp")
    assert run().name == "Alarm"
    assert last(workspace).alarms[0].since == first.at
    assert last(workspace).at > first.at
    assert len(list_looks(workspace)) == 2
    # The second look has sent whatever it sends before it ended: still the one of the first.
    assert await_event("beholder.rmse.risen", workspace)["id"] == event["id"]
    assert "further off than promised" in (workspace.monitor / "monitor.html").read_text()


def test_all_alarms_of_a_look_ask_in_one_round_and_once(
    run: Run, workspace: Workspace, champion: str
):
    rate(workspace, answer(workspace, 30, hours=1), 0.5)
    assert run().name == "Alarm"
    assert run().name == "Alarm"
    with open_book(workspace) as book:
        waiting = book.find_open()
    assert waiting is not None
    assert {one.kind for one in waiting.asked} == {"drift", "online-rmse"}
    kinds = [one.evidence["kind"] for one in waiting.asked]
    assert sorted(kinds) == sorted(alarm.kind for alarm in last(workspace).alarms)


def test_strangers_are_drift(run: Run, workspace: Workspace, champion: str):
    answer(workspace, 30, hours=1, path="prior")
    assert run().name == "Alarm"
    assert [alarm.kind for alarm in last(workspace).alarms] == ["users"]
    answers = last(workspace).answers
    assert answers is not None
    assert (answers.cold, answers.users) == (1.0, 30)
    event = await_event("beholder.drift.found", workspace)
    assert event["payload"]["kind"] == "users"


def test_new_items_are_seen_through_the_champions_encoder_and_bad_pictures_left_out(
    run: Run, workspace: Workspace, champion: str, draw: Callable[[int], bytes]
):
    from hashlib import sha256

    from flows import monitoring_images

    contents = [draw(seed) for seed in range(20, 26)] + [b"no picture"]
    names = [sha256(content).hexdigest() for content in contents]
    folder = workspace.batches / ("a" * 16)
    (folder / "images").mkdir(parents=True)
    for name, content in zip(names, contents, strict=True):
        (folder / "images" / f"{name}.png").write_bytes(content)
    files = {"sha256": names, "file": [f"{name}.png" for name in names]}
    sizes = {"source": "", "bytes": [len(content) for content in contents]}
    write_parquet(folder / "images.parquet", pd.DataFrame({**files, **sizes}))
    ids = [f"new{row}" for row in range(6)] + ["bad", "i1"]
    rows = {"item_id": ids, "images": [[name] for name in [*names, names[0]]]}
    items = pd.DataFrame({**rows, "title": "", "category": ""})
    write_parquet(folder / "items.parquet", items)
    learnt = Batch("b" * 16, "b" * 64, 1, 1, 1)
    came = Batch("a" * 16, "a" * 64, 8, 7, 0)
    write_batches(workspace, (learnt, came))

    class Known(monitoring_images.Archive):
        """What the run of a version that was never trained would remember."""

        def batches(self, version: Any) -> tuple[Batch, ...]:
            return (learnt,)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monitoring_images, "Archive", Known)
        assert run().name in ("Quiet", "Alarm")
        check = last(workspace).check("images")
        assert (check.lately, check.before) == (6, 11)
        store = workspace.monitor / "embeddings"
        assert len(list(store.rglob("*.safetensors"))) == 1
        run()
        assert last(workspace).check("images").value == check.value
        assert len(list(store.rglob("*.safetensors"))) == 1
        write_batches(workspace, (learnt,))
        run()
        assert last(workspace).check("images").why == "no item came in since the champion learnt"
        assert not store.exists()


def test_broken_promise_is_worked_out_anew(run: Run, workspace: Workspace, champion: str):
    run()
    (kept,) = (workspace.monitor / "promised").iterdir()
    before = kept.read_bytes()
    kept.write_bytes(before[:50])
    assert run().is_completed()
    assert kept.read_bytes() == before


def test_promised_rmse_is_that_of_the_versions_own_evaluation(desk: Desk):
    from flows.monitoring import find_promised_rmse

    promised = find_promised_rmse(desk.workspace, "2")
    assert promised is not None
    assert promised.value == 0.85
    for unknown in ("1", "99", "of another place"):
        assert find_promised_rmse(desk.workspace, unknown) is None


def test_command_shows_the_look_and_the_last_one_again(
    run: Run, workspace: Workspace, champion: str, capsys: pytest.CaptureFixture[str]
):
    from rich.console import Console

    from flows.monitor_display import print_look, show_last

    answer(workspace, 30, hours=1, path="prior")
    run()
    print_look(Console(width=100), last(workspace))
    shown = capsys.readouterr().out
    assert "champion  version 1, user and item averages, champion for 0 minutes" in shown
    assert "30 prior: 100.0% cold" in shown
    assert "drift of users" in shown
    assert "next: beholder feedback export && beholder retrain" in shown
    show_last(workspace, as_json=True)
    assert Snapshot.from_json(json.loads(capsys.readouterr().out)) == last(workspace)

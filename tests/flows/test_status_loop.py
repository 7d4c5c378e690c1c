import time
from pathlib import Path

from components.locking import hold_lock
from components.monitoring.snapshot import keep
from components.notices.deliveries import Delivery, keep_delivery
from components.notices.receiver import keep_receiver, make_receiver
from components.paths import Workspace
from components.triggering.policy import Asked
from flows.asking import open_book
from flows.status_loop import describe_loop
from tests.monitoring.making import alarmed, look


def shown(workspace: Workspace) -> str:
    return "\n".join(f"{label:<9} {says}" for label, says in describe_loop(workspace))


def test_fresh_workspace_is_told_what_to_run(tmp_path: Path):
    text = shown(Workspace(tmp_path))
    assert "none was asked for yet; 'beholder up' listens" in text
    assert "no rating waits" in text
    assert "run 'beholder monitor'" in text


def test_rounds_are_shown_with_who_asked_and_what_came_of_it(tmp_path: Path):
    workspace, now = Workspace(tmp_path), time.time()
    with open_book(workspace) as book:
        book.ask(Asked("data", "new", {}, now))
        book.begin("run", "d", "p", 0.0)
        book.end(1, "promoted", "better [by far]; and more", now=60.0, version=3)
        book.ask(Asked("hand", "why not", {}, now))
        book.begin("run", "d", "p", 120.0)
        book.ask(Asked("drift", "moved", {}, now))
        book.ask(Asked("data", "newer", {}, now))
    mark = workspace.run / "flows/run.lock"
    with hold_lock(mark, wait_seconds=0, what="the run's process"):
        text = shown(workspace)
    assert "round 3 is asked for[/] (data, drift)" in text
    assert "1970-01-01 00:02 UTC [/]round 2 [cyan]at work[/] (hand)" in text
    assert "round 1 [green]promoted[/], version 3 (data) [dim]better \\[by far][/]" in text


def test_round_whose_process_is_gone_is_not_shown_as_at_work(tmp_path: Path):
    workspace = Workspace(tmp_path)
    with open_book(workspace) as book:
        book.ask(Asked("hand", "why not", {}, 0.0))
        book.begin("run", "d", "p", 120.0)
    text = shown(workspace)
    assert "round 1 [yellow]was at work when its process ended" in text


def test_alarms_of_the_last_look_are_shown_with_what_to_do(tmp_path: Path):
    workspace = Workspace(tmp_path)
    keep(workspace, look(), 9)
    assert "no alarm, as of" in shown(workspace)
    keep(workspace, alarmed(at=2000.0), 9)
    (alarm,) = alarmed().alarms
    assert f"[red]{alarm.says}[/]; {alarm.next}" in shown(workspace)


def test_who_is_told_is_shown_without_the_secret_and_with_the_last_failure(tmp_path: Path):
    workspace = Workspace(tmp_path)
    assert "notify    nobody is told; 'beholder notify URL'" in shown(workspace)
    keep_receiver(workspace, make_receiver("https://hooks.slack.com/T0/S3cret", None, "drift"))
    assert "https://hooks.slack.com/… is told of drift" in shown(workspace)
    keep_delivery(workspace, Delivery("2026-11-22T12:00:00+00:00", False, "it answered 404"))
    assert "[red]2026-11-22T12:00:00+00:00 not delivered: it answered 404[/]" in shown(workspace)
    keep_delivery(workspace, Delivery("2026-11-22T13:00:00+00:00", True, "it answered 200"))
    assert "not delivered: it answered 404, but later ones were[/]" in shown(workspace)
    assert "S3cret" not in shown(workspace)

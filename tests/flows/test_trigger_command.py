"""What a person sees who asks for a retraining."""

from pathlib import Path

import pytest

from components.files import write_json
from components.paths import Workspace
from components.settings import load_settings
from components.triggering.policy import Past, Situation
from flows.asking import Asking
from flows.services import Services, ServiceState
from flows.trigger_command import Preview, describe, describe_asking, find_unheard

STATE = Situation(
    now=1_000_000.0,
    data_version="d",
    params="p",
    has_data=True,
    is_changed=False,
    new_ratings=1200,
    new_items=3,
    waiting_ratings=40,
    past=(Past(1, frozenset({"data"}), "c", "p", 999_000.0, 1800.0, "promoted"),),
)


def test_preview_names_what_is_new_what_would_run_and_how_long_it_took_last():
    seen = Preview(STATE, ("train", "refit"), {"train": 300.0, "embed": 50.0}, None)
    assert list(describe(seen)) == [
        "new        1,200 ratings, 3 items, 40 ratings of feedback",
        "steps      train (5 min), refit",
        "takes      at least 5 min, as the last time",
        "last day   1 retrainings, 0.5 hours",
    ]


def test_preview_of_steps_that_never_ran_for_a_version_promises_no_time():
    lines = list(describe(Preview(STATE, ("train", "refit"), {"embed": 50.0}, None)))
    assert "takes      not known yet: none of these steps has run for a version" in lines


def test_preview_of_nothing_says_so_and_that_no_trigger_would_be_heard():
    lines = list(describe(Preview(STATE, (), {}, "too little is new")))
    assert "steps      all up to date: nothing would be learnt" in lines
    assert lines[-1] == "by itself  would be skipped: too little is new"


def test_asker_is_told_the_round_the_run_and_when():
    line = describe_asking(Asking(7, "run-id", 0.0, joined=True))
    assert line.startswith(
        "round 7 is asked for, together with who asked before: flow run run-id, due 00:00:00 UTC"
    )


def test_preview_says_why_the_steps_are_not_known_and_is_no_obstacle():
    lines = list(describe(Preview(STATE, (), {}, None, unknown="a training is at work")))
    assert lines[1] == "steps      not known: a training is at work"
    assert len(lines) == 3


def test_preview_says_last_that_nothing_runs():
    lines = list(describe(Preview(STATE, (), {}, "too little is new", unheard="nothing runs")))
    assert lines[-1] == "stack      nothing runs"


def test_asker_learns_what_has_to_run_before_anybody_hears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    workspace = Workspace(tmp_path)
    before = find_unheard(workspace)
    assert before.startswith("nothing runs: asking starts Prefect's server alone, and what is")
    assert "waits for 'beholder up'; 'beholder retrain' retrains here and now" in before
    # As after 'beholder down': ports are remembered, and nobody listens there.
    ports = {"prefect": {"port": 1, "health": "/"}, "worker": {"port": 2, "health": "/health"}}
    write_json(workspace.run / "services/ports.json", ports)
    assert find_unheard(workspace) == before
    given = load_settings().model_copy(update={"prefect_api_url": "http://127.0.0.1:1/api"})
    monkeypatch.setattr("flows.trigger_command.load_settings", lambda: given)
    workspace.prefect_yaml.touch()
    after = find_unheard(workspace)
    assert after.startswith("the worker does not run: what is asked for waits for 'beholder up' or")
    assert "a worker of the work pool" in after


def test_asker_of_a_stack_that_runs_is_told_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    running = [ServiceState("worker", "http://127.0.0.1:4300", managed=True, healthy=True)]
    monkeypatch.setattr(Services, "states", lambda _: running)
    assert find_unheard(Workspace(tmp_path)) == ""

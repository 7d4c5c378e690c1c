"""`beholder feedback`: counts, and batches that are made exactly once."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.answers.answered import Answered
from components.answers.log import AnswerLog
from components.batches import batch_folder, read_batches, read_ratings
from components.data.ingest import Ingested, ingest
from components.errors import WorkspaceError
from components.feedback.address import find_address
from components.feedback.events import Event
from components.feedback.log import FeedbackLog
from components.locking import hold_lock
from components.paths import Workspace
from components.settings import Settings
from flows import feedback
from flows.feedback import export_and_show, open_log, show_feedback

ROOT = Path(__file__).parents[2]


def rate(workspace: Workspace, *ratings: tuple[str, str, float, int]) -> None:
    log = FeedbackLog(find_address(workspace, Settings()))
    known = sum(log.counts().kinds.values())
    sent = [
        Event(f"e{known + row}", user, item, "rating", value, when)
        for row, (user, item, value, when) in enumerate(ratings)
    ]
    log.submit("", [*sent, Event(f"v{known}", "u1", "i1", "view")]).result(timeout=30)
    log.close()


def batched(workspace: Workspace) -> list[list[tuple[str, str, float, int]]]:
    """Return the ratings of each batch."""
    frames = [read_ratings(batch_folder(workspace, one.id)) for one in read_batches(workspace)]
    return [list(frame.itertuples(index=False, name=None)) for frame in frames]


def export(workspace: Workspace, event: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.flows.exporter", str(workspace.root), str(event)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_export_that_was_killed_is_finished_with_the_same_batch_and_then_comes_the_rest(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    rate(workspace, ("u1", "i1", 4.0, 20), ("u1", "i1", 2.0, 10), ("007", "12.0", 3.5, 30))
    assert export(workspace, -1).returncode == -signal.SIGKILL
    first = batched(workspace)
    rate(workspace, ("u3", "i3", 1.0, 5))
    show_feedback(workspace)
    assert "an export was interrupted" in capsys.readouterr().out
    export_and_show(workspace)
    assert batched(workspace) == [*first, [("u3", "i3", 1.0, 5)]]
    with open_log(workspace) as log:
        assert log.counts().batches == tuple(batch.id for batch in read_batches(workspace))
    assert "beholder retrain" in capsys.readouterr().out
    export_and_show(workspace)
    assert "every rating is in a batch" in capsys.readouterr().out
    assert len(read_batches(workspace)) == 2


def test_export_of_a_lively_endpoint_is_one_batch_and_leaves_the_rest_to_the_next(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    def ingest_slowly(*arguments: Any, **options: Any) -> Ingested:
        rate(workspace, ("u2", f"i{len(read_batches(workspace))}", 2.0, 20))  # as it goes on
        return ingest(*arguments, **options)

    monkeypatch.setattr("components.data.ingest.ingest", ingest_slowly)
    rate(workspace, ("u1", "i1", 4.0, 10))
    export_and_show(workspace)
    (batch,) = read_batches(workspace)
    assert (batch.ratings, batch.origin) == (1, "feedback")
    with open_log(workspace) as log:
        assert log.counts().waiting == 1


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_export_killed_at_twelve_moments_makes_one_batch(workspace: Workspace, tmp_path: Path):
    rate(workspace, ("u1", "i1", 4.0, 20), ("u2", "i2", 2.0, 10))
    pristine = tmp_path / "pristine"
    shutil.copytree(workspace.root, pristine)
    whole = export(workspace, 0)
    total = int(whole.stdout.split("events ")[1])
    expected = read_batches(workspace)
    for kill in range(12):
        shutil.rmtree(workspace.root)
        shutil.copytree(pristine, workspace.root)
        ended = export(workspace, 1 + kill * (total - 1) // 11)
        assert ended.returncode == -signal.SIGKILL
        assert export(workspace, 0).returncode == 0
        assert read_batches(workspace) == expected


def test_second_export_at_once_is_refused_by_the_holders_process(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    rate(workspace, ("u1", "i1", 4.0, 20))
    monkeypatch.setattr(feedback, "_WAIT_SECONDS", 0)
    with (
        hold_lock(workspace.run / "feedback-export.lock", wait_seconds=0, what="it"),
        pytest.raises(WorkspaceError, match="the export of feedback is in use by process"),
    ):
        export_and_show(workspace)


@pytest.mark.parametrize("show", [show_feedback, export_and_show])
def test_workspace_without_feedback_says_so_and_stays_without(
    workspace: Workspace, show: Callable[[Workspace], None], capsys: pytest.CaptureFixture[str]
):
    show(workspace)
    assert "no feedback yet" in capsys.readouterr().out
    assert not workspace.feedback.exists()


def test_counts_name_what_waits_and_the_command(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    rate(workspace, ("u1", "i1", 4.0, 20), ("u2", "i2", 2.0, 10))
    show_feedback(workspace)
    out = capsys.readouterr().out
    assert "2 ratings, 1 view stored" in out
    assert "0 ratings exported into 0 batches" in out
    assert "2 ratings wait since 20" in out
    assert "beholder feedback export" in out


def keep(workspace: Workspace, answered: Answered) -> None:
    log = AnswerLog(f"sqlite:///{workspace.answers}")
    log.begin(keep_days=1e5, max_gb=1)
    log.submit(answered)
    log.close()


def test_status_tells_how_far_off_each_version_was_by_what_users_said(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    log = FeedbackLog(find_address(workspace, Settings()))
    sent = [
        Event("e1", "u1", "i1", "rating", 5.0, request_id="r1"),
        Event("e2", "u1", "i1", "click", request_id="r1"),
        Event("e3", "u1", "i1", "view", request_id="lost"),
    ]
    log.submit("", sent).result(timeout=30)
    log.close()
    show_feedback(workspace)
    assert "no answers are kept" in capsys.readouterr().out
    told = ("r1", 1e9, 0.002, "recommend", "3", "814e34d0720b36d1", "", "u1", "factors")
    keep(workspace, Answered(*told, items=("i1",), ratings=(4.5,)))
    show_feedback(workspace)
    out = capsys.readouterr().out
    assert "1 answer kept, from 2001-09-09 01:46 to 2001-09-09 01:46" in out
    assert "3 events name an answer, 2 of them one that is kept" in out
    assert "version 3: online RMSE 0.5000 over 1 rating" in out


def test_status_says_where_no_event_names_an_answer(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    rate(workspace, ("u1", "i1", 4.0, 20))
    AnswerLog(f"sqlite:///{workspace.answers}").close()
    show_feedback(workspace)
    out = capsys.readouterr().out
    assert "0 answers kept\n" in out
    assert "no event names the answer" in out

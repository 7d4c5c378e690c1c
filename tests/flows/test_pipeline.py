import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.costs import StepCost
from components.errors import WorkspaceError
from components.paths import Workspace
from flows.pipeline import STAGES, StepFailedError, find_stale, push_outputs, run_stage

pytestmark = pytest.mark.integration

SetCommand = Callable[[Workspace, str, str], None]
ERROR = "mkdir -p .beholder/run && cp error.json .beholder/run/step-error.json && exit 1"


def ignore(line: str) -> None:
    """Hear nothing."""


def test_clean_pipeline_has_nothing_stale_and_running_a_stage_does_nothing(pipeline: Workspace):
    assert find_stale(pipeline) == ()
    done = run_stage(pipeline, "validate", ignore)
    assert (done.stage, done.ran) == ("validate", False)


def test_all_from_the_first_stale_stage_on_is_stale(pipeline: Workspace, set_command: SetCommand):
    set_command(pipeline, "train", "cat embed.txt embed.txt > train.txt")
    assert find_stale(pipeline) == STAGES[STAGES.index("train") :]
    heard: list[str] = []
    assert run_stage(pipeline, "train", heard.append).ran
    assert "Running stage 'train':" in heard
    # Not `refit` alone: DVC looks at one stage after the other, so `evaluate` is stale by now.
    assert find_stale(pipeline) == ("evaluate", "refit")


def test_before_the_first_run_everything_is_stale(pipeline: Workspace):
    pipeline.lock.unlink()
    assert find_stale(pipeline) == STAGES


def test_batch_that_was_changed_is_named_with_the_command_that_mends_it(pipeline: Workspace):
    from components.dvc import run_dvc

    batch = pipeline.batches / "feed"
    batch.mkdir(parents=True)
    (batch / "ratings.txt").write_text("4")
    run_dvc(pipeline, "add", "--quiet", str(batch))
    assert find_stale(pipeline) == ()
    (batch / "ratings.txt").unlink()
    (batch / "ratings.txt").write_text("5")
    with pytest.raises(WorkspaceError, match=r"batches/feed is not as it .*'beholder fetch'"):
        find_stale(pipeline)


def test_failing_stage_is_told_in_its_own_words(pipeline: Workspace, set_command: SetCommand):
    (pipeline.root / "error.json").write_text('{"step": "split", "message": "no user is left"}')
    set_command(pipeline, "split", ERROR)
    with pytest.raises(StepFailedError, match=r"^no user is left$") as failed:
        run_stage(pipeline, "split", ignore)
    assert failed.value.stage == "split"


def test_failing_stage_without_a_word_is_told_by_its_last_lines(
    pipeline: Workspace, set_command: SetCommand
):
    # What an earlier failure left is not what this one says.
    pipeline.run.mkdir(parents=True, exist_ok=True)
    pipeline.step_error.write_text('{"message": "of yesterday"}')
    set_command(pipeline, "embed", "echo Segmentation fault && exit 139")
    with pytest.raises(StepFailedError, match=r"(?s)without a word.*Segmentation fault") as failed:
        run_stage(pipeline, "embed", ignore)
    assert "yesterday" not in str(failed.value)


@pytest.fixture
def remote(pipeline: Workspace) -> Path:
    return pipeline.root.with_name("here.remote")


def test_outputs_arrive_in_the_remote_and_are_counted(pipeline: Workspace, remote: Path):
    assert push_outputs(pipeline) == len(STAGES)
    stored = [path.read_text() for path in remote.rglob("*") if path.is_file()]
    assert max(stored, key=len).split() == ["begin", *STAGES]
    assert len(stored) == len(STAGES)
    assert push_outputs(pipeline) == len(STAGES)


def test_object_that_does_not_arrive_is_told_though_dvc_is_content(pipeline: Workspace):
    shutil.rmtree(pipeline.root / ".dvc/cache")
    for stage in STAGES:
        (pipeline.root / f"{stage}.txt").unlink()
    with pytest.raises(WorkspaceError, match=r"6 outputs are not in the DVC remote"):
        push_outputs(pipeline)


def test_stage_that_ran_tells_its_cost_and_the_next_one_does_not_inherit_it(
    pipeline: Workspace, set_command: SetCommand
):
    told = '{"memory_mb": 512.5, "device": "cpu", "device_memory_mb": null}'
    place = ".beholder/run/costs"
    (pipeline.root / "cost.json").write_text(told)
    tell = f"mkdir -p {place} && cp cost.json {place}/train.json && touch train.txt"
    set_command(pipeline, "train", tell)
    assert run_stage(pipeline, "train", ignore).cost == StepCost(512.5, "cpu")
    assert run_stage(pipeline, "train", ignore).cost is None  # up to date
    set_command(pipeline, "train", "echo quiet > train.txt")
    done = run_stage(pipeline, "train", ignore)
    assert done.ran
    assert done.cost is None

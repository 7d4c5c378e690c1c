import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from components.costs import StepCost
from components.errors import WorkspaceError
from components.paths import Workspace
from flows.pipeline import STAGES, StageRun, StepFailedError, find_stale, push_outputs, run_stages

pytestmark = pytest.mark.integration

SetCommand = Callable[[Workspace, str, str], None]
ERROR = "mkdir -p .beholder/run && cp error.json .beholder/run/step-error.json && exit 1"


def ignore(line: str) -> None:
    """Hear nothing."""


def run_stage(workspace: Workspace, stage: str, hear: Callable[[str], None] = ignore) -> StageRun:
    (done,) = run_stages(workspace, [stage], hear)
    return done


def test_clean_pipeline_has_nothing_stale_and_running_a_stage_does_nothing(pipeline: Workspace):
    assert find_stale(pipeline) == ()
    done = run_stage(pipeline, "validate")
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
    with pytest.raises(StepFailedError, match=r"^split: no user is left$") as failed:
        run_stage(pipeline, "split")
    assert failed.value.stage == "split"


def test_failing_stage_without_a_word_is_told_by_its_last_lines(
    pipeline: Workspace, set_command: SetCommand
):
    # What an earlier failure left is not what this one says.
    pipeline.run.mkdir(parents=True, exist_ok=True)
    pipeline.step_error.write_text('{"message": "of yesterday"}')
    set_command(pipeline, "embed", "echo Segmentation fault && exit 139")
    with pytest.raises(StepFailedError, match=r"(?s)without a word.*Segmentation fault") as failed:
        run_stage(pipeline, "embed")
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
    assert run_stage(pipeline, "train").cost == StepCost(512.5, "cpu")
    assert run_stage(pipeline, "train").cost is None  # up to date
    set_command(pipeline, "train", "echo quiet > train.txt")
    done = run_stage(pipeline, "train")
    assert done.ran
    assert done.cost is None


def test_stages_are_brought_up_in_turn_each_with_its_own_lines(
    pipeline: Workspace, set_command: SetCommand
):
    set_command(pipeline, "split", "echo I split && (cat validate.txt; echo cut) > split.txt")
    set_command(pipeline, "embed", "echo I embed && cat split.txt split.txt > embed.txt")
    heard: list[str] = []
    runs = run_stages(pipeline, STAGES[:3], heard.append)
    first = next(runs)
    assert (first.stage, first.ran) == ("validate", False)
    assert "I split" not in heard
    second = next(runs)
    assert (second.stage, second.ran) == ("split", True)
    assert "I split" in heard
    assert "I embed" not in heard
    (third,) = runs
    assert (third.stage, third.ran) == ("embed", True)
    assert "I embed" in heard
    assert find_stale(pipeline)[:1] == ("train",)


def test_failure_is_the_stages_own_and_those_before_it_have_ended(
    pipeline: Workspace, set_command: SetCommand
):
    set_command(pipeline, "split", "(cat validate.txt; echo cut) > split.txt")
    set_command(pipeline, "embed", "echo no room left && exit 3")
    runs = run_stages(pipeline, STAGES, ignore)
    assert [(done.stage, done.ran) for done in (next(runs), next(runs))] == [
        ("validate", False),
        ("split", True),
    ]
    with pytest.raises(StepFailedError, match="no room left") as failed:
        next(runs)
    assert failed.value.stage == "embed"
    assert list(runs) == []
    assert find_stale(pipeline) == STAGES[STAGES.index("embed") :]


def test_stage_that_cannot_begin_is_named_and_not_the_one_before(pipeline: Workspace):
    content = yaml.safe_load(pipeline.pipeline.read_text())
    content["stages"]["train"]["deps"] = ["gone.txt"]
    pipeline.pipeline.write_text(yaml.safe_dump(content, sort_keys=False))
    runs = run_stages(pipeline, ("validate", "train"), ignore)
    assert next(runs).stage == "validate"
    with pytest.raises(StepFailedError, match=r"gone\.txt") as failed:
        next(runs)
    assert failed.value.stage == "train"


def test_dvc_ends_with_whoever_waits_for_its_stages(pipeline: Workspace, set_command: SetCommand):
    # Steps ask the kernel to end with DVC, which a shell does not.
    set_command(pipeline, "split", "exec timeout 60 sleep 60")
    runs = run_stages(pipeline, STAGES[:2], ignore)
    next(runs)
    (dvc,) = [one for one in psutil.Process().children() if "repro" in one.cmdline()]
    runs.close()
    assert not dvc.is_running()
    assert not run_stage(pipeline, "validate").ran

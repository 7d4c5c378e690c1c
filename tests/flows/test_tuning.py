"""The search in a real workspace: its memory, its record in MLflow, and what it writes."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.batches import Batch, write_batches
from components.data.workspace import init_workspace
from components.errors import ParameterError, WorkspaceError
from components.files import read_parquet, write_parquet
from components.locking import hold_lock
from components.params import load_params, write_values
from components.paths import Workspace
from components.promotion.store import Store
from components.tuning.choice import Choice
from components.tuning.search import Limits
from flows.tuning import make_plan, tune, tune_and_show
from flows.tuning_display import Display
from flows.tuning_record import EXPERIMENT, STUDY_TAG, TRIAL_TAG

ROOT = Path(__file__).parents[2]
HOUR = 3600.0
FEW_EPOCHS = {"families.mf.max_epochs": 6, "families.mf.factors": 8, "families.mf.batches": 2}


@pytest.fixture
def place(workspace: Workspace, make_trainable: Callable[..., None]) -> Workspace:
    """A workspace up to `embed`, without test rows: none of its steps has run in DVC.

    Users and items differ much in their means, so that priors matter.
    """
    filled = workspace.root.with_name("filled")
    make_trainable(filled, users=60)
    shutil.rmtree(workspace.root / "data")
    shutil.copytree(filled / "data", workspace.root / "data")
    (workspace.split / "test.parquet").unlink()
    train = read_parquet(workspace.split / "train.parquet")
    means = [3 + train[name].str[1:].astype(int) % 5 / 4 - 0.5 for name in ("user_id", "item_id")]
    write_parquet(workspace.split / "train.parquet", train.assign(rating=sum(means) / 2))
    init_workspace(workspace.root)
    write_values(workspace.params, FEW_EPOCHS)
    return workspace


def run(place: Workspace, family: str, trials: int, seconds: float = HOUR) -> Choice:
    plan = make_plan(place.params, family)
    return tune(place, plan, Limits(trials, seconds), Display.on_terminal())


def read_runs(place: Workspace) -> tuple[list, list]:
    """The runs of searches and those of trials."""
    client = Store(f"sqlite:///{place.state / 'mlflow.db'}").client
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    children = [run for run in runs if TRIAL_TAG in run.data.tags]
    return [run for run in runs if run not in children], children


# What it writes


def test_better_values_land_in_params_and_nothing_else_does(place: Workspace, capsys):
    write_values(place.params, {"families.biases.prior": 4000.0})
    before = load_params(place.params)
    choice = run(place, "biases", 8)
    assert choice.is_better
    assert choice.best is not None
    after = load_params(place.params)
    assert after.families.biases.prior == choice.best.values["prior"] < 4000
    assert after.families.model_copy(update={"biases": before.families.biases}) == before.families
    assert after.train == before.train
    assert "# " in place.params.read_text()
    out = capsys.readouterr().out
    assert re.search(r"families\.biases\.prior +4000 ", out)
    assert "better on the valid rows by more than chance" in out
    assert "'beholder retrain' learns with them" in out


def test_second_search_goes_on_after_the_first_and_keeps_what_it_wrote(place: Workspace):
    write_values(place.params, {"families.biases.prior": 40.0})
    first = run(place, "biases", 8)
    written = place.params.read_bytes()
    second = run(place, "biases", 8)  # no new trial: all eight are done
    assert second.best == first.best == second.present
    assert not second.is_better
    assert place.params.read_bytes() == written


def test_params_stay_as_they_are_where_nothing_is_better(place: Workspace, capsys):
    text = place.params.read_bytes()
    assert not run(place, "biases", 1).is_better
    assert place.params.read_bytes() == text
    out = capsys.readouterr().out
    assert "params.yaml stays as it is" in out
    assert "1 of 1 trials are done" in out


def test_values_that_somebody_edits_meanwhile_are_kept(place: Workspace, capsys, monkeypatch):
    write_values(place.params, {"families.biases.prior": 4000.0})

    def edit(*_: object) -> None:
        write_values(place.params, {"families.biases.prior": 77.0})

    monkeypatch.setattr(Display, "show", edit)
    assert run(place, "biases", 8).is_better
    assert load_params(place.params).families.biases.prior == 77
    assert "edited meanwhile" in capsys.readouterr().out


def test_time_that_is_too_short_is_said_with_how_to_go_on(place: Workspace, capsys):
    run(place, "biases", 5, seconds=0)
    out = capsys.readouterr().out
    assert "the time ended after 1 of 5 trials; the same command goes on from them" in out


# Its record


def test_search_is_found_in_mlflow_with_a_child_run_a_trial(place: Workspace):
    write_values(place.params, {"families.biases.prior": 4000.0})
    choice = run(place, "biases", 6)
    (search,), children = read_runs(place)
    assert search.info.status == "FINISHED"
    assert search.info.run_name == "tune biases"
    assert search.data.params["families.biases.prior"] == "4000.0"
    assert (
        float(search.data.params["best.prior"]) == load_params(place.params).families.biases.prior
    )
    assert choice.best is not None
    assert search.data.metrics["best/rmse"] == choice.best.rmse
    assert search.data.metrics["gain/high"] < 0
    assert sorted(int(run.data.tags[TRIAL_TAG]) for run in children) == list(range(6))
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {search.info.run_id}
    assert all("rmse" in run.data.metrics and "prior" in run.data.params for run in children)


def test_trial_is_logged_once_though_two_searches_saw_it(place: Workspace):
    run(place, "biases", 3)
    run(place, "biases", 5)
    searches, children = read_runs(place)
    assert len(searches) == 2
    assert sorted(int(run.data.tags[TRIAL_TAG]) for run in children) == list(range(5))
    assert len({run.data.tags[STUDY_TAG] for run in children}) == 1


# Kills and interrupts

TUNE = """
import sys
from pathlib import Path
from components.paths import Workspace
from components.tuning.search import Limits
from flows.environment import enter
from flows.tuning import make_plan, tune
from flows.tuning_display import Display

class Told(Display):
    def show(self, trial, tried):
        print(len(tried), flush=True)

place = Workspace(Path(sys.argv[1]))
enter(place)
tune(place, make_plan(place.params, "mf"), Limits(4, 3600), Told.on_terminal())
"""


@pytest.mark.integration
def test_killed_search_leaves_params_alone_and_goes_on(place: Workspace):
    text = place.params.read_bytes()
    command = [sys.executable, "-c", TUNE, str(place.root)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.strip() == "2")
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert place.params.read_bytes() == text
    assert run(place, "mf", 4).present.rmse is not None
    searches, children = read_runs(place)
    assert [search.info.status for search in searches] == ["FINISHED"]
    assert sorted(int(child.data.tags[TRIAL_TAG]) for child in children)[:2] == [0, 1]
    assert len(children) == 4
    assert {child.info.status for child in children} <= {"FINISHED", "KILLED"}
    assert list((place.cache / "checkpoints").iterdir()) == []


def test_interrupted_search_leaves_params_alone_says_so_and_goes_on(
    place: Workspace, capsys, monkeypatch
):
    text = place.params.read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Display, "show", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(place, "biases", 4)
    assert "1 trial kept; params.yaml is as it was" in capsys.readouterr().err
    assert place.params.read_bytes() == text
    assert [search.info.status for search in read_runs(place)[0]] == ["KILLED"]
    monkeypatch.undo()
    run(place, "biases", 4)
    searches, children = read_runs(place)
    assert [search.info.status for search in searches] == ["FINISHED"]
    assert len(children) == 4


# Refusals


def test_unknown_family_is_named_beside_the_known_ones(place: Workspace):
    with pytest.raises(ParameterError, match=r"'hybird' is none of .*hybrid"):
        make_plan(place.params, "hybird")


def test_family_without_options_is_refused_with_the_next_command(place: Workspace):
    with pytest.raises(ParameterError, match=r"'mean' has no option .*beholder tune --family"):
        make_plan(place.params, "mean")


def test_dry_run_shows_where_it_would_look_and_tries_nothing(place: Workspace, capsys):
    tune_and_show(place, family="hybrid", minutes=1, trials=5, dry_run=True)
    out = capsys.readouterr().out
    assert "families.hybrid.learning_rate" in out
    assert "nothing was tried" in out
    assert not place.tuning.exists()


# With the pipeline


@pytest.fixture
def ingested(place: Workspace, make_trainable: Callable[..., None]) -> Workspace:
    """The same, but DVC makes its data: each stage copies what it should have computed."""
    made = place.root / "made"
    made.mkdir()
    outs = {"validate": "accepted", "split": "split", "embed": "embeddings"}
    for out in outs.values():
        shutil.move(place.root / "data" / out, made / out)
    stages = {
        stage: {
            "cmd": f"echo {stage} >> ran.txt && mkdir -p data reports && cp -r made/{out} data/",
            "deps": [f"made/{out}"],
            "outs": [f"data/{out}"],
        }
        for stage, out in outs.items()
    }
    stages |= {stage: {"cmd": "exit 1"} for stage in ("train", "evaluate", "refit")}
    place.pipeline.write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    write_batches(place, (Batch("b" * 16, "b" * 64, items=1, images=0, ratings=1),))
    table = '{"accepted": 1, "refused": 0}'
    reports = {
        "validation/summary.json": f'{{"ratings": {table}, "items": {table}, "images": {table}}}',
        "split.json": '{"strategy": "global_time", "train": 1, "test": 1}',
        "embeddings.json": '{"images": 1, "encoder": {"name": "drawn"}}',
    }
    for name, text in reports.items():
        (place.root / "reports" / name).parent.mkdir(parents=True, exist_ok=True)
        (place.root / "reports" / name).write_text(text)
    return place


@pytest.mark.integration
def test_steps_before_training_run_first_and_no_later_one(ingested: Workspace, capsys):
    for _ in range(2):
        tune_and_show(ingested, family="biases", minutes=1, trials=2, dry_run=False)
    assert (ingested.root / "ran.txt").read_text().split() == ["validate", "split", "embed"]
    captured = capsys.readouterr()
    assert "✓ embed" in captured.err
    assert "= embed" in captured.err
    assert "RMSE on the valid rows" in captured.out


def test_search_beside_a_retraining_is_refused(ingested: Workspace):
    with (
        hold_lock(ingested.work_lock, wait_seconds=0, what="a test"),
        pytest.raises(WorkspaceError, match=r"in use by process \d+"),
    ):
        tune_and_show(ingested, family="biases", minutes=1, trials=2, dry_run=False)


def test_search_without_data_names_ingest(workspace: Workspace):
    with pytest.raises(WorkspaceError, match="run 'beholder ingest"):
        tune_and_show(workspace, family="biases", minutes=1, trials=2, dry_run=False)

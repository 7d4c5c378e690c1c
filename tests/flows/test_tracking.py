import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import DataError, ServiceError
from components.params import load_params
from components.paths import Workspace
from components.promotion.store import Store
from components.settings import Settings
from flows.data_versions import DataVersion
from flows.history import Point
from flows.run_record import find_run, open_files
from flows.tracking import TrackedRun, flatten, list_results, open_run, store_address

ROOT = Path(__file__).parents[2]
IMAGES = DataVersion("images 0123", "data/raw/batches/0123", "a" * 32 + ".dir", "training")

Open = Callable[..., TrackedRun]


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.integration)])
def any_uri(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("mlflow_uri"))
    return str(request.getfixturevalue("mlflow_server")[0])


@pytest.fixture
def open_here(mlflow_uri: str) -> Open:
    def make(key: str = "key") -> TrackedRun:
        return open_run(mlflow_uri, "beholder", "retrain", {"beholder.data_version": "v"}, key=key)

    return make


def read_run(run: TrackedRun):
    return run.store.client.get_run(run.run_id)


def read_metric(run: TrackedRun, name: str) -> list[tuple[int, float]]:
    history = run.store.client.get_metric_history(run.run_id, name)
    return sorted((metric.step, metric.value) for metric in history)


def test_whole_retraining_is_found_in_mlflow(any_uri: str, tmp_path: Path):
    key, params = uuid.uuid4().hex, load_params(ROOT / "params.yaml")
    live = tmp_path / "train.jsonl"
    run = open_run(any_uri, "beholder", "retrain", {"beholder.lineage_id": "0123"}, key=key)
    run.log_params(params)
    with run.tail_history(live):
        live.write_text('{"phase": "search", "epoch": 1, "train_rmse": 0.9, "rmse": 0.95}\n')
    run.log_datasets([IMAGES])
    run.log_metrics({"rmse": 0.9, "slices": {"cold item": {"rmse": 1.0, "mae": None}}})
    run.log_file(ROOT / "params.yaml", "inputs")
    run.log_json({"a": 1}, "lineage.json")
    run.end("FINISHED")

    found = read_run(run)
    assert found.info.status == "FINISHED"
    assert found.data.params["train.family"] == params.train.family
    assert found.data.tags["beholder.lineage_id"] == "0123"
    assert found.data.metrics == {
        "search/train_rmse": 0.9,
        "search/rmse": 0.95,
        "rmse": 0.9,
        "slices/cold item/rmse": 1.0,
    }
    (images,) = found.inputs.dataset_inputs
    assert images.dataset.digest == IMAGES.md5
    assert json.loads(images.dataset.source) == {"path": IMAGES.path, "md5": IMAGES.md5}
    assert {file.path for file in run.store.client.list_artifacts(run.run_id)} == {
        "inputs",
        "lineage.json",
    }
    with open_files(run.store, run.run_id) as files:
        assert files.read_json("lineage.json") == {"a": 1}
        params_file = files.find("inputs/params.yaml")
        assert params_file is not None
        assert params_file.read_bytes() == (ROOT / "params.yaml").read_bytes()
        assert files.find("inputs/code.yaml") is None
        assert files.find("nowhere/code.yaml") is None
    facts = find_run(run.store, run.run_id)
    assert facts is not None
    assert (facts.datasets, facts.is_deleted) == ({IMAGES.name: IMAGES.md5}, False)
    assert find_run(run.store, "0" * 32) is None


# Going on with a run


def test_killed_retraining_goes_on_in_its_run(open_here: Open):
    first = open_here()  # and then nothing: a kill ends no run
    assert open_here().run_id == first.run_id
    first.end("KILLED")
    again = open_here()
    assert again.run_id == first.run_id
    assert read_run(again).info.status == "RUNNING"


@pytest.mark.parametrize("how", ["FINISHED", "FAILED"])
def test_run_that_ended_is_left_as_it_is(open_here: Open, how):
    first = open_here()
    first.end(how)
    assert open_here().run_id != first.run_id
    assert read_run(first).info.status == how


def test_other_inputs_get_another_run(open_here: Open):
    assert open_here("one").run_id != open_here("two").run_id


def test_deleted_experiment_is_said(open_here: Open, mlflow_uri: str):
    run = open_here()
    Store(mlflow_uri).client.delete_experiment(run.experiment_id)
    with pytest.raises(ServiceError, match=r"'beholder' .* is deleted"):
        open_here()


# Metrics


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_metric_that_is_not_finite_is_refused_and_none_is_logged(open_here: Open, value: float):
    run = open_here()
    with pytest.raises(DataError, match="metric b is"):
        run.log_metrics({"a": 1.0, "b": value})
    assert read_run(run).data.metrics == {}


def test_metric_logged_again_stands_once_and_a_new_value_is_added(open_here: Open):
    open_here().log_metrics({"rmse": 0.9})
    run = open_here()
    run.log_metrics({"rmse": 0.9})
    assert read_metric(run, "rmse") == [(0, 0.9)]
    run.log_metrics({"rmse": 0.8})
    assert read_run(run).data.metrics == {"rmse": 0.8}


def test_thousands_of_points_are_logged_in_one_go(open_here: Open):
    run = open_here()
    run.log_history([Point("search/rmse", step, 1 / step) for step in range(1, 2501)])
    assert len(read_metric(run, "search/rmse")) == 2500


def test_history_has_no_duplicates_after_a_resume(open_here: Open, tmp_path: Path):
    live = tmp_path / "train.jsonl"
    lines = [json.dumps({"phase": "search", "epoch": n, "rmse": 1 / n}) + "\n" for n in range(1, 6)]
    with open_here().tail_history(live):
        live.write_text("".join(lines[:3]))
    live.write_text("".join(lines[:2]))  # the checkpoint was one epoch behind
    run = open_here()
    with run.tail_history(live), live.open("a") as file:
        file.writelines(lines[2:])
    table = tmp_path / "history.csv"
    table.write_text("epoch,rmse\n" + "".join(f"{n},{1 / n}\n" for n in range(1, 6)))
    run.log_history_table(table)
    assert read_metric(run, "search/rmse") == [(n, pytest.approx(1 / n)) for n in range(1, 6)]


def test_history_comes_while_training_runs(
    open_here: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from threading import Event

    monkeypatch.setattr("flows.tracking._POLL_SECONDS", 0.01)
    run, live, came = open_here(), tmp_path / "train.jsonl", Event()
    log_history = run.log_history

    def log_and_tell(points):
        points = list(points)
        log_history(points)
        if points:
            came.set()

    monkeypatch.setattr(run, "log_history", log_and_tell)
    with run.tail_history(live):
        live.write_text('{"phase": "search", "epoch": 1, "rmse": 0.5}\n')
        assert came.wait(30)
        assert read_metric(run, "search/rmse") == [(1, 0.5)]


def test_only_the_phases_asked_for_are_logged(open_here: Open, tmp_path: Path):
    run, live = open_here(), tmp_path / "train.jsonl"
    another = '{"phase": "search", "epoch": 1, "rmse": 0.5}\n'
    live.write_text(another)
    with run.tail_history(live, phases=("served",)):
        live.write_text(another + '{"phase": "served", "epoch": 1, "train_rmse": 0.4}\n')
    assert read_run(run).data.metrics == {"served/train_rmse": 0.4}


def test_nan_in_the_history_is_raised_when_the_training_has_ended(open_here: Open, tmp_path: Path):
    live = tmp_path / "train.jsonl"
    with pytest.raises(DataError, match="search/rmse is nan"), open_here().tail_history(live):
        live.write_text('{"phase": "search", "epoch": 1, "rmse": NaN}\n')


def test_failed_training_keeps_its_own_error_and_its_history(open_here: Open, tmp_path: Path):
    run, live = open_here(), tmp_path / "train.jsonl"

    def train() -> None:
        live.write_text('{"phase": "search", "epoch": 1, "rmse": 0.5}\n')
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"), run.tail_history(live):
        train()
    assert read_metric(run, "search/rmse") == [(1, 0.5)]


# Parameters, data and files


def test_parameters_are_logged_twice_without_harm(open_here: Open):
    params = load_params(ROOT / "params.yaml")
    open_here().log_params(params)
    run = open_here()
    run.log_params(params)
    assert read_run(run).data.params["validation.budget.ratings"] == "0.02"


def test_datasets_logged_twice_stand_once(open_here: Open):
    run = open_here()
    run.log_datasets([IMAGES])
    run.log_datasets([IMAGES])
    run.log_datasets([])
    assert len(read_run(run).inputs.dataset_inputs) == 1


def test_results_that_a_failed_run_did_not_make_are_left_out(open_here: Open, tmp_path: Path):
    workspace = Workspace(tmp_path / "workspace")
    docs = workspace.validation_report / "docs"
    docs.mkdir(parents=True)
    (docs / "index.html").write_text("<html>")
    workspace.params.write_text("data: 1")
    run = open_here()
    run.log_results(workspace)
    client = run.store.client
    assert {file.path for file in client.list_artifacts(run.run_id, "inputs")} == {
        "inputs/params.yaml",
        "inputs/requirements.lock",
    }
    found = client.list_artifacts(run.run_id, "validation/docs")
    assert [file.path for file in found] == ["validation/docs/index.html"]


def test_results_lie_in_the_workspace_or_with_the_packages(tmp_path: Path):
    paths = [path for group in list_results(Workspace(tmp_path)).values() for path in group]
    assert len(paths) == len(set(paths))
    outside = [path.name for path in paths if not path.is_relative_to(tmp_path)]
    assert outside == ["requirements.lock"]


def test_local_store_lies_in_the_workspace_unless_a_server_is_named(tmp_path: Path):
    workspace = Workspace(tmp_path)
    local = Settings(MLFLOW_TRACKING_URI=None)
    assert store_address(workspace, local) == f"sqlite:///{tmp_path}/.beholder/mlflow.db"
    named = Settings(MLFLOW_TRACKING_URI="http://mlflow:5000")
    assert store_address(workspace, named) == "http://mlflow:5000"


def test_flattened_names_join_what_lies_inside():
    assert flatten({"a": {"b": {"c": 1}, "d": (2, 3)}, "e": None}) == {
        "a.b.c": 1,
        "a.d": (2, 3),
        "e": None,
    }

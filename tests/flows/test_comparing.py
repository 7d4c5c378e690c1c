"""A comparison in a real workspace: trained once, ranked, written, and in MLflow."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from components.batches import Batch, write_batches
from components.code import refresh_code
from components.errors import ParameterError, TrainingError, WorkspaceError
from components.files import read_json, read_parquet, write_parquet
from components.locking import hold_lock
from components.models.families import FAMILIES
from components.params import Params, load_params
from components.paths import Workspace
from components.promotion.store import Store
from flows.comparing import (
    EXPENSIVE,
    choose_families,
    compare,
    compare_and_show,
    read_ground,
    with_strategy,
)
from flows.comparing_display import Display, print_contest
from flows.comparing_record import EXPERIMENT, attach_comparison, find_comparison
from flows.tracking import open_run

ROOT = Path(__file__).parents[2]
CHEAP = ("biases", "mf")


@pytest.fixture
def place(workspace: Workspace, make_trainable: Callable[..., None]) -> Workspace:
    """A workspace in which everything up to `embed` has been made."""
    filled = workspace.root.with_name("filled")
    make_trainable(filled, users=40)
    for part in ("accepted", "split", "embeddings"):
        (filled / "data" / part).rename(workspace.root / "data" / part)
    refresh_code(workspace)
    return workspace


@pytest.fixture
def params(place: Workspace, shrink: Callable[..., Params]) -> Params:
    return shrink(load_params(place.params), max_epochs=3)


@pytest.fixture
def run(place: Workspace, params: Params) -> Callable[..., list[str]]:
    """Compare, and return what was trained for it."""

    class Told(Display):
        def show(self, family: str, seed: int, entry: object, *, is_new: bool) -> None:
            super().show(family, seed, entry, is_new=is_new)  # type: ignore[arg-type]
            if is_new:
                trained.append(f"{family} {seed}")

    trained: list[str] = []

    def call(families=CHEAP, seeds: int = 2, params: Params = params) -> list[str]:
        trained.clear()
        compare(place, params, families, seeds, Told.on_terminal())
        return list(trained)

    return call


def test_families_are_trained_once_each_seed_and_measured_on_the_test_rows(place, run):
    assert run() == ["biases 0", "mf 0", "mf 1"]
    table = pd.read_csv(place.comparison_report / "table.csv")
    assert sorted(table["family"]) == ["biases", "mf"]
    assert table.set_index("family")["seeds"].to_dict() == {"biases": 1, "mf": 2}
    assert table["rmse"].is_monotonic_increasing
    assert read_json(place.comparison_report / "comparison.json")["rows"] == len(
        read_parquet(place.split / "test.parquet")
    )
    assert "closest to the true ratings" in (place.comparison_report / "report.html").read_text()


def test_second_comparison_trains_only_what_is_new(place, run):
    run(seeds=1)
    first = read_json(place.comparison_report / "comparison.json")
    assert run(seeds=1) == []
    assert read_json(place.comparison_report / "comparison.json") == first
    assert run(("mean", *CHEAP), 2) == ["mean 0", "mf 1"]


def test_other_options_or_other_rows_are_trained_anew(place, params, run):
    run(seeds=1)
    biases = params.families.biases.model_copy(update={"prior": 9.0})
    families = params.families.model_copy(update={"biases": biases})
    assert run(seeds=1, params=params.model_copy(update={"families": families})) == ["biases 0"]
    train = read_parquet(place.split / "train.parquet")
    write_parquet(place.split / "train.parquet", train[1:])
    assert run(seeds=1) == ["biases 0", "mf 0"]


def test_number_of_resamples_trains_nothing_anew(params, run):
    run(seeds=1)
    evaluate = params.evaluate.model_copy(update={"bootstrap": 150})
    assert run(seeds=1, params=params.model_copy(update={"evaluate": evaluate})) == []


def test_damaged_entry_is_trained_again(place, run):
    run(seeds=1)
    for file in (place.cache / "contest").rglob("rated.bin"):
        file.write_bytes(b"")
    assert run(seeds=1) == ["biases 0", "mf 0"]


def test_entry_says_what_the_step_train_would_measure(place, params):
    from components.contest.entry import load_entry
    from components.evaluation.predictions import predict_static
    from components.models.bundle import load_bundle
    from components.models.predictor import Predictor
    from components.settings import load_settings
    from components.training.step import train

    chosen = params.model_copy(update={"train": params.train.model_copy(update={"family": "mf"})})
    train(place, chosen, load_settings())
    compare(place, params, ("mf",), 1, Display.on_terminal())
    (folder,) = (path.parent for path in (place.cache / "contest").rglob("entry.json"))
    entry = load_entry(folder)
    assert entry is not None
    predictor = Predictor(load_bundle(place.evaluation_bundle))
    test = read_parquet(place.split / "test.parquet")
    assert entry.rated_N.tolist() == predict_static(predictor, test).tolist()


def test_only_the_latest_inputs_are_kept(place, run, monkeypatch):
    monkeypatch.setattr("flows.comparing._KEPT_GROUNDS", 2)
    train = read_parquet(place.split / "train.parquet")
    for rows in range(3):
        write_parquet(place.split / "train.parquet", train[rows:])
        run(("biases",), 1)
    assert len(list((place.cache / "contest").iterdir())) == 2
    assert run(("biases",), 1) == []


# Another split


def test_other_strategy_is_split_beside_the_workspace_s_and_leaves_it_alone(place, params, run):
    before = {path.name: path.read_bytes() for path in place.split.iterdir()}
    other = with_strategy(params, "random")
    ground = read_ground(place, other)
    assert ground.strategy == "random"
    rows = len(ground.test) + len(ground.material.ratings)
    assert rows == len(read_parquet(place.accepted / "ratings.parquet"))
    assert run(seeds=1, params=other) == ["biases 0", "mf 0"]
    assert run(seeds=1, params=other) == []
    assert {path.name: path.read_bytes() for path in place.split.iterdir()} == before
    assert read_json(place.comparison_report / "comparison.json")["strategy"] == "random"


def test_unknown_strategy_is_named_beside_the_known_ones(params):
    with pytest.raises(ParameterError, match=r"--strategy 'chance' is none of global_time"):
        with_strategy(params, "chance")


# Its record


def test_comparison_is_found_in_mlflow_and_by_the_next_run(place, run):
    assert find_comparison(place) == ()
    run(seeds=1)
    client = Store(f"sqlite:///{place.state / 'mlflow.db'}").client
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FINISHED"
    assert logged.data.metrics["biases/rmse"] > 0
    assert {file.path for file in client.list_artifacts(logged.info.run_id)} == {
        "report.html",
        "table.csv",
        "comparison.json",
    }
    assert [path.name for path in find_comparison(place)] == [
        "report.html",
        "table.csv",
        "comparison.json",
    ]
    train = read_parquet(place.split / "train.parquet")
    write_parquet(place.split / "train.parquet", train[1:])
    assert find_comparison(place) == ()


def test_retraining_on_the_same_rows_has_the_comparison_with_its_results(place, run):
    retraining = open_run(f"sqlite:///{place.state / 'mlflow.db'}", "beholder", "r", {}, key="k")
    client = retraining.store.client
    attach_comparison(place, retraining)
    assert client.list_artifacts(retraining.run_id) == []
    run(seeds=1)
    attach_comparison(place, retraining)
    logged = client.list_artifacts(retraining.run_id, "comparison")
    assert "comparison/report.html" in {file.path for file in logged}


# Kills

COMPARE = """
import sys
from pathlib import Path
from components.params import load_params
from components.paths import Workspace
from flows.comparing import compare
from flows.comparing_display import Display
from flows.environment import enter

class Told(Display):
    def show(self, family, seed, entry, *, is_new):
        print(family, flush=True)

place = Workspace(Path(sys.argv[1]))
enter(place)
compare(place, load_params(place.params), ("biases", "mean", "hybrid"), 1, Told.on_terminal())
"""


@pytest.mark.integration
def test_killed_comparison_goes_on_with_what_it_has(place: Workspace, capsys):
    command = [sys.executable, "-c", COMPARE, str(place.root)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.strip() == "mean")
        process.kill()
    assert not place.comparison_report.exists()
    compare(place, load_params(place.params), ("biases", "mean"), 1, Display.on_terminal())
    said = capsys.readouterr().err
    assert said.count("up to date") == 2
    assert "✓" not in said


# What a person sees, and refusals


def test_tables_name_every_family_and_the_page(place, params, capsys):
    contest = compare(place, params, CHEAP, 2, Display.on_terminal())
    print_contest(contest, place.comparison_report / "report.html")
    captured = capsys.readouterr()
    assert "2 families, split by global_time" in captured.err
    for part in ("RMSE", "95% interval", "NDCG@10", "99th percentile", "report.html"):
        assert part in captured.out
    assert captured.out.count("\nmf ") + captured.out.count("\nbiases ") == 6


def test_default_is_every_family_that_is_cheap():
    assert set(choose_families(None)) == FAMILIES.keys() - set(EXPENSIVE)


def test_families_are_chosen_in_their_order_and_once():
    assert choose_families(" mf, biases,mf") == ("mf", "biases")


@pytest.mark.parametrize("named", ["hybird", "mf,hybird", "", ","])
def test_unknown_family_is_named_beside_the_known_ones(named: str):
    with pytest.raises(ParameterError, match=r"is none of mean, .*hybrid"):
        choose_families(named)


def test_family_that_diverges_is_named_with_two_ways_out(place, params):
    options = params.families.mf.model_copy(update={"learning_rate": 1e30})
    families = params.families.model_copy(update={"mf": options})
    with pytest.raises(TrainingError, match=r"^mf: .*learning_rate.*--families"):
        compare(
            place,
            params.model_copy(update={"families": families}),
            ("mf",),
            1,
            Display.on_terminal(),
        )


def test_comparison_without_data_names_ingest(workspace: Workspace):
    with pytest.raises(WorkspaceError, match="run 'beholder ingest"):
        compare_and_show(workspace, families=None, seeds=1, strategy=None)


def test_comparison_beside_a_retraining_is_refused(workspace: Workspace):
    write_batches(workspace, (Batch("b" * 16, "b" * 64, items=1, images=0, ratings=1),))
    with (
        hold_lock(workspace.work_lock, wait_seconds=0, what="a test"),
        pytest.raises(WorkspaceError, match=r"in use by process \d+"),
    ):
        compare_and_show(workspace, families=None, seeds=1, strategy=None)

"""The steps `train` and `refit`: files in, files out, whatever happens in between."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.errors import CorruptFileError, DataError, TrainingError
from components.files import hash_tree, read_json, read_parquet, write_parquet
from components.models.bundle import load_bundle
from components.models.families import FAMILIES, RUNGS
from components.models.golden import read_golden, read_golden_image
from components.models.predictor import Predictor
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.training.live_history import LiveHistory
from components.training.refit import refit
from components.training.step import train

Choose = Callable[..., Params]

DYING = """
import os, signal, sys
from pathlib import Path
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.training import checkpoints, loop, recipe, step

place, left = sys.argv[1], int(sys.argv[2])
recipe.SAVE_EVERY_SECONDS = 0

def die_at(function):
    def counted(*arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return counted

if place == "epoch":
    loop._run_epoch = die_at(loop._run_epoch)
if place == "checkpoint":  # its tensors are written, what describes them is not
    checkpoints.write_json = die_at(checkpoints.write_json)
params = Params.model_validate_json(sys.stdin.read())
step.train(Workspace(Path.cwd()), params, Settings(device="cpu", threads=1))
"""


def outs(workspace: Workspace) -> dict[str, str]:
    return {
        **hash_tree(workspace.root / "models"),
        **hash_tree(workspace.root / "reports"),
    }


@pytest.mark.integration
@pytest.mark.parametrize(("place", "after"), [("epoch", 5), ("checkpoint", 3)])
def test_run_killed_in_the_middle_goes_on_and_ends_with_the_same_bytes(
    workspace: Workspace,
    choose: Choose,
    settings: Settings,
    tmp_path: Path,
    make_trainable: Callable[..., None],
    place: str,
    after: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    params = choose(max_epochs=9, patience=9)
    make_trainable(tmp_path / "whole")
    whole = Workspace(tmp_path / "whole")
    train(whole, params, settings)
    killed = subprocess.run(
        [sys.executable, "-c", DYING, place, str(after)],
        cwd=workspace.root,
        input=params.model_dump_json(),
        text=True,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not workspace.evaluation_bundle.exists()
    with caplog.at_level("INFO"):
        train(workspace, params, settings)
    assert "training resumed" in caplog.text
    assert outs(workspace) == outs(whole)
    assert workspace.live_history.read_text() == whole.live_history.read_text()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_is_learnt_from_the_train_rows_alone(
    workspace: Workspace,
    choose: Choose,
    settings: Settings,
    give_eyes: Callable[..., None],
    family: str,
) -> None:
    if family == "finetuned":
        give_eyes(workspace.root)
    train(workspace, choose(family=family), settings)
    bundle = load_bundle(workspace.evaluation_bundle)
    rows = read_parquet(workspace.split / "train.parquet")
    report = read_json(workspace.training_report / "training.json")
    assert bundle.family == report["family"] == family
    assert len(bundle.users.items_N) == len(rows) == bundle.facts["rows"]
    assert report["rows"] == {"train": int((~rows["valid"]).sum()), "valid": rows["valid"].sum()}
    assert report["epochs"] == bundle.facts["epochs"]
    with (workspace.training_report / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    best = min(history, key=lambda row: float(row["rmse"]))
    assert report["valid_rmse"] == pytest.approx(float(best["rmse"]), abs=1e-4)


def test_hybrid_beats_the_ladder_where_looks_explain_tastes(
    tmp_path: Path, make_trainable: Callable[..., None], choose: Choose, settings: Settings
) -> None:
    make_trainable(tmp_path / "large", users=80, items=80)
    workspace = Workspace(tmp_path / "large")
    params = choose(max_epochs=60, image_prior=100.0, image_bias_prior=100.0, image_factors=6)
    train(workspace, params, settings)
    test = read_parquet(workspace.split / "test.parquet")

    def rmse(folder: Path) -> float:
        predictor = Predictor(load_bundle(folder))
        rated = predictor.predict(test["user_id"].tolist(), test["item_id"].tolist())
        return float(np.sqrt(np.square(rated - test["rating"]).mean()))

    rungs = [rmse(workspace.ladder / rung) for rung in RUNGS]
    assert rmse(workspace.evaluation_bundle) < min(rungs) - 0.01


def test_second_run_gives_the_same_bytes_and_leaves_no_checkpoint(
    workspace: Workspace, choose: Choose, settings: Settings
) -> None:
    train(workspace, choose(), settings)
    refit(workspace, choose(), settings)
    first = outs(workspace)
    train(workspace, choose(), settings)
    refit(workspace, choose(), settings)
    assert outs(workspace) == first
    assert not list((workspace.cache / "checkpoints").glob("*"))


def test_live_history_tells_search_evaluation_and_refit_apart(
    workspace: Workspace, choose: Choose, settings: Settings
) -> None:
    train(workspace, choose(), settings)
    refit(workspace, choose(), settings)
    epochs = read_json(workspace.training_report / "training.json")["epochs"]
    told = LiveHistory(workspace.live_history).read()
    for phase in ("evaluation", "served"):
        assert [e.epoch for e in told if e.phase == phase] == list(range(1, epochs + 1))
    assert all((e.rmse is None) == (e.phase != "search") for e in told)


def test_refit_learns_all_rows_and_packs_what_serving_needs(
    workspace: Workspace, choose: Choose, settings: Settings
) -> None:
    params = choose()
    train(workspace, params, settings)
    refit(workspace, params, settings)
    bundle = load_bundle(workspace.served_bundle)
    report = read_json(workspace.refit_report)
    assert len(bundle.users.items_N) == len(read_parquet(workspace.accepted / "ratings.parquet"))
    assert report["epochs"] == read_json(workspace.training_report / "training.json")["epochs"]
    assert (workspace.served_bundle / "encoder/encoder.json").is_file()
    golden = read_golden(workspace.served_bundle / "golden")
    assert len(golden.pairs) == params.refit.golden_questions
    assert len(golden.images) == params.refit.golden_images
    predictor = Predictor(bundle)
    asked = predictor.predict(
        [pair.user_id for pair in golden.pairs], [pair.item_id for pair in golden.pairs]
    )
    np.testing.assert_allclose(asked, [pair.rating for pair in golden.pairs], atol=1e-6)
    for image in golden.images:
        assert read_golden_image(workspace.served_bundle / "golden", image)
        side = predictor.fold_image(np.float32(image.embedding))
        for user, rating in image.ratings:
            assert predictor.rate(predictor.fold_user(user), side)[0] == pytest.approx(rating)


def test_refit_refuses_an_image_whose_bytes_have_changed(
    workspace: Workspace, choose: Choose, settings: Settings
) -> None:
    train(workspace, choose(family="biases"), settings)
    for path in (workspace.root / "data/raw/batches/b/images").iterdir():
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CorruptFileError, match="dvc checkout"):
        refit(workspace, choose(family="biases"), settings)
    assert not workspace.served_bundle.exists()


@pytest.mark.parametrize("valid", [False, True])
def test_split_without_both_kinds_of_rows_is_an_error(
    workspace: Workspace, choose: Choose, settings: Settings, valid: bool
) -> None:
    path = workspace.split / "train.parquet"
    write_parquet(path, read_parquet(path).assign(valid=valid))
    with pytest.raises(DataError, match=r"split\.valid_share"):
        train(workspace, choose(), settings)


def test_loss_that_blows_up_leaves_no_bundle(
    workspace: Workspace, choose: Choose, settings: Settings
) -> None:
    with pytest.raises(TrainingError, match=r"lower the family"):
        train(workspace, choose(learning_rate=1e30), settings)
    assert not workspace.evaluation_bundle.exists()


def test_no_clock_no_path_of_this_machine_in_what_is_written(
    workspace: Workspace, choose: Choose, settings: Settings
) -> None:
    train(workspace, choose(), settings)
    for path in (workspace.root / "models").rglob("*.json"):
        assert str(workspace.root) not in path.read_text()
        told = json.loads(path.read_text())["params"]
        assert told.keys() == {"data", "families", "train", "trending"}


@pytest.mark.gpu
@pytest.mark.parametrize("family", ["mf", "svdpp", "hybrid", "gru", "sasrec"])
def test_gpu_learns_what_the_cpu_learns(
    workspace: Workspace, choose: Choose, settings: Settings, family: str
) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    found = []
    for device in ("cpu", "cuda"):
        train(workspace, choose(family=family), settings.model_copy(update={"device": device}))
        found.append(read_json(workspace.training_report / "training.json")["valid_rmse"])
    assert found[0] == pytest.approx(found[1], abs=0.02)

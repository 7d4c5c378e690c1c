"""A retraining goes on where it was killed, and ends with the model of one that never was."""

import os
import shutil
import signal
import time

import psutil
import pytest

from components.data.demo import draw_more
from components.files import read_json, read_parquet
from components.models.bundle import read_digest
from components.paths import Workspace
from tests.end_to_end.place import Place

pytestmark = [pytest.mark.torture, pytest.mark.end_to_end, pytest.mark.timeout(1800)]


def test_new_batch_is_learnt_whatever_is_killed_meanwhile(trained: Place) -> None:
    more = trained.workspace.root.parent / "more"
    draw_more(more, trained.drawn, items=6, users=3, ratings=300)
    trained.run(
        "ingest",
        *("--items", str(more / "items.csv")),
        *("--images", str(more / "images")),
        *("--ratings", str(more / "ratings.csv")),
    )
    trained.set_params("families.hybrid", max_epochs=60, patience=60)
    kill_dvc_in_training(trained)
    kill_all_in_training(trained)
    undisturbed = copy_workspace(trained, "undisturbed")
    runs = trained.count_runs()
    trained.run("retrain")
    assert trained.count_runs() == runs  # the killed run was gone on with
    assert trained.flow_states()[1:3] == ["Failed", "Crashed"]
    assert len(read_parquet(trained.workspace.accepted / "items.parquet")) == 96
    assert read_json(trained.workspace.embedding_report)["images"] == 96
    undisturbed.execute("dvc", "repro", "refit")
    for bundle in ("evaluation", "served"):
        assert read_digest(trained.workspace.root / "models" / bundle) == read_digest(
            undisturbed.workspace.root / "models" / bundle
        )


def kill_dvc_in_training(place: Place) -> None:
    """Kill the trainer's parent; the trainer ends too, and so does the run."""
    with place.start("retrain") as run:
        trainer = await_training(place, epochs=5)
        trainer.parent().kill()
        gone, _ = psutil.wait_procs([trainer], timeout=20)
        assert gone == [trainer]
        assert run.wait(timeout=60) == 1


def kill_all_in_training(place: Place) -> None:
    """Start once more, find that no second run may start beside it, and kill it all."""
    with place.start("retrain") as run:
        await_training(place, epochs=6)
        assert f"in use by process {run.pid}" in place.run("retrain", code=1).stderr
        assert len(trainers(place)) == 1
        os.killpg(run.pid, signal.SIGKILL)
    psutil.wait_procs(trainers(place), timeout=20)
    assert trainers(place) == []


def copy_workspace(place: Place, name: str) -> Place:
    """Return a second workspace with the same data, parameters and code, and no state."""
    root = place.workspace.root.parent / name
    shutil.copytree(place.workspace.root, root, ignore=shutil.ignore_patterns(".beholder"))
    (root / ".beholder").mkdir()
    return Place(Workspace(root), place.drawn)


def trainers(place: Place) -> list[psutil.Process]:
    """Return the processes that train in this workspace now."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if words[-2:] == ["components", "train"] and process.cwd() == str(place.workspace.root):
                found.append(process)
        except (psutil.Error, FileNotFoundError):
            continue
    return found


def await_training(place: Place, epochs: int) -> psutil.Process:
    """Wait until a trainer of this workspace has written some epochs, and return it."""
    deadline = time.monotonic() + 120
    before = place.workspace.live_history.read_bytes()
    while time.monotonic() < deadline:
        history = place.workspace.live_history
        found = trainers(place)
        content = history.read_bytes() if history.exists() else b""
        if found and content != before and content.count(b"\n") >= epochs:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("no training began")

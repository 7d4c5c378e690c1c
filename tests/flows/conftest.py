"""Workspaces as `flows` finds them: empty, with a tiny pipeline, with registered versions."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from components.data.workspace import init_workspace
from components.paths import Workspace
from components.promotion.artifacts import Bundles
from components.promotion.comparison import Comparison, Part, Rung, Score
from components.promotion.gate import TrialFacts
from components.promotion.registry import Version
from components.settings import load_settings
from components.statistics import Interval
from flows.lineage import Lineage
from flows.pipeline import STAGES
from flows.releases import open_registry
from flows.services import Services
from tests.flows.callers import Caller
from tests.flows.desk import Desk

PASSED = TrialFacts(True, (), 0.0, 1.0, 2.0, 100.0, 1.0, 2.0, 1.0)


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test enter a workspace, and forget it afterwards."""
    for name in ("BEHOLDER_WORKSPACE", "MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    load_settings.cache_clear()
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    load_settings.cache_clear()


@pytest.fixture(scope="session")
def empty_workspace(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Workspace:
    """A workspace as `beholder init` leaves it, with an empty MLflow store; copy it."""
    workspace = init_workspace(tmp_path_factory.mktemp("laid") / "here")
    shutil.copyfile(mlflow_template, workspace.state / "mlflow.db")
    return workspace


def copy_workspace(workspace: Workspace, target: Path) -> Workspace:
    shutil.copytree(workspace.root, target / "here")
    remote = workspace.root.with_name("here.remote")
    if remote.is_dir():
        shutil.copytree(remote, target / "here.remote")
    return Workspace(target / "here")


@pytest.fixture
def workspace(empty_workspace: Workspace, tmp_path: Path, own_environment: None) -> Workspace:
    """A copy of the empty one that a test may change."""
    return copy_workspace(empty_workspace, tmp_path)


@pytest.fixture(scope="session")
def run_pipeline(empty_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose six stages each add a line to one text, and all have run; copy it."""
    workspace = copy_workspace(empty_workspace, tmp_path_factory.mktemp("run"))
    (workspace.root / "begin.txt").write_text("begin\n")
    sources = dict(zip(STAGES, ("begin", *STAGES), strict=False))
    stages = {
        stage: {
            "cmd": f"(cat {source}.txt; echo {stage}) > {stage}.txt",
            "deps": [f"{source}.txt"],
            "outs": [f"{stage}.txt"],
        }
        for stage, source in sources.items()
    }
    workspace.pipeline.write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    dvc(workspace, "repro", "--quiet")
    return workspace


@pytest.fixture
def pipeline(run_pipeline: Workspace, tmp_path: Path, own_environment: None) -> Workspace:
    """A copy of that workspace."""
    return copy_workspace(run_pipeline, tmp_path)


def dvc(workspace: Workspace, *arguments: str) -> None:
    environment = {**os.environ, "DVC_SITE_CACHE_DIR": str(workspace.dvc_state)}
    command = [sys.executable, "-m", "dvc", *arguments]
    subprocess.run(command, cwd=workspace.root, env=environment, check=True)


@pytest.fixture
def set_command() -> Callable[[Workspace, str, str], None]:
    """Give a stage of a pipeline another command."""

    def write(workspace: Workspace, stage: str, command: str) -> None:
        content = yaml.safe_load(workspace.pipeline.read_text())
        content["stages"][stage]["cmd"] = command
        workspace.pipeline.write_text(yaml.safe_dump(content, sort_keys=False))

    return write


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def place_bundles(served_bundle: Path) -> Callable[..., Bundles]:
    """Put two bundles into a workspace, which differ from others by their mean."""
    from components.models.bundle import load_bundle, save_bundle, seal_bundle

    def place(workspace: Workspace, mean: float = 3.0) -> Bundles:
        bundle = load_bundle(served_bundle)
        changed = replace(bundle, weights={**bundle.weights, "mean": np.float32([mean])})
        for folder in (workspace.evaluation_bundle, workspace.served_bundle):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            save_bundle(changed, folder)
            seal_bundle(folder)
        return Bundles(workspace.evaluation_bundle, workspace.served_bundle)

    return place


@pytest.fixture
def register() -> Callable[..., Version]:
    """Register the bundles that stand in a workspace; they have passed their trial."""

    def make(workspace: Workspace) -> Version:
        from components.models.bundle import read_digest
        from flows import candidate
        from flows.releases import open_registry
        from flows.tracking import open_run, store_address

        run = open_run(store_address(workspace, load_settings()), "tests", "run", {}, key="key")
        code = dict.fromkeys(STAGES, "0")
        served = read_digest(workspace.served_bundle)
        lineage = Lineage("d" * 64, "p", code, "l", "e", served, "k", None)
        version = candidate.register(workspace, run, lineage)
        registry = open_registry(workspace)
        registry.mark_trial(version, PASSED)
        return registry.version(version.number)

    return make


@pytest.fixture
def comparison() -> Comparison:
    """A candidate that is 0.05 better than the champion and 0.1 better than the biases."""

    def score(family: str, rmse: float) -> Score:
        return Score(family[0] * 64, family, Interval(rmse, rmse - 0.01, rmse + 0.01), 0)

    return Comparison(
        rows=1234,
        users=56,
        learnt_by_champion=7,
        learnt_by_candidate=0,
        level=0.95,
        candidate=score("hybrid", 0.85),
        champion=score("mf", 0.9),
        difference=Interval(-0.05, -0.06, -0.04),
        ladder={
            "mean": Rung(score("mean", 1.1), Interval(-0.25, -0.3, -0.2)),
            "biases": Rung(score("biases", 0.95), Interval(-0.1, -0.12, -0.08)),
        },
        slices={
            "late": Part(
                600,
                40,
                Interval(0.86, 0.84, 0.88),
                Interval(0.9, 0.88, 0.92),
                Interval(-0.04, -0.05, -0.03),
                -0.055,
            )
        },
    )


@pytest.fixture
def desk(
    workspace: Workspace,
    place_bundles: Callable[..., Bundles],
    register: Callable[..., Version],
    served_bundle: Path,
    comparison: Comparison,
) -> Desk:
    """Version 2, which can be packaged, awaits review beside version 1, the champion."""

    def add(mean: float | None) -> Version:
        if mean is not None:
            place_bundles(workspace, mean)
            return register(workspace)
        for folder in (workspace.evaluation_bundle, workspace.served_bundle):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(served_bundle, folder)
        return register(workspace)

    made = Desk(workspace, add, comparison)
    made.set_params("gate", min_rows=5, min_users=2)
    made.set_params("gate.limits", max_latency_p50_ms=5000, max_latency_p99_ms=5000)
    made.set_params("review", policy="required")
    made.registry.promote(add(3.5), None)
    add(None)
    assert made.judge(2).decision == "promote"
    return made


@pytest.fixture
def calls() -> Iterator[Callable[..., Caller]]:
    """Let somebody ask an endpoint until the test ends."""
    ended, threads = threading.Event(), []

    def begin(url: str, pause: float = 0.0) -> Caller:
        caller = Caller(url, pause)
        threads.append(threading.Thread(target=caller.ask, args=(ended,)))
        threads[-1].start()
        return caller

    yield begin
    ended.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def shop(workspace: Workspace, make_served_bundle: Any, register: Any) -> Iterator[Workspace]:
    """A workspace of three versions: 1 is champion, 2 answers as well, 3 not as its trainer did."""
    for offset in (0.0, 2e-5, 0.01):
        for folder in (workspace.evaluation_bundle, workspace.served_bundle):
            shutil.rmtree(folder, ignore_errors=True)
        make_served_bundle(workspace.served_bundle, golden_offset=offset)
        shutil.copytree(workspace.served_bundle, workspace.evaluation_bundle)
        register(workspace)
    registry = open_registry(workspace)
    registry.promote(registry.version(1), None)
    yield workspace
    Services(workspace).stop()

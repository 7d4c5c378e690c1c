"""SIGKILL while a candidate is registered, packaged and made champion: `make torture`."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.data.workspace import init_workspace
from components.models.bundle import load_bundle, save_bundle, seal_bundle
from components.packaging.release import verify_release
from components.paths import Workspace
from components.promotion.registry import Registry
from tests.torture.work import PHASES

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]

SHARES = (0.1, 0.4, 0.7, 0.95)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path, mlflow_template: Path) -> Workspace:
    workspace = init_workspace(tmp_path / "here")
    shutil.copyfile(mlflow_template, workspace.state / "mlflow.db")
    return workspace


@pytest.fixture
def seen(workspace: Workspace, tmp_path: Path) -> Iterator[Path]:
    """What a reader that never stops sees of the champion, a line each time."""
    log, stop = tmp_path / "seen", tmp_path / "stop"
    command = [sys.executable, "-m", "tests.torture.reader", str(workspace.root), str(stop)]
    with log.open("wb") as output:
        reader = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        try:
            yield log
        finally:
            stop.touch()
            assert reader.wait(timeout=60) == 0, log.read_text()[-2000:]


def place_bundles(workspace: Workspace, served_bundle: Path, mean: float) -> None:
    for folder in (workspace.evaluation_bundle, workspace.served_bundle):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(served_bundle, folder)
        bundle = load_bundle(folder)
        weights = {**bundle.weights, "mean": np.float32([mean])}
        (folder / "manifest.json").unlink()
        save_bundle(replace(bundle, weights=weights), folder)
        seal_bundle(folder)


Work = Callable[..., tuple[int, dict[str, int]]]


@pytest.fixture
def work(workspace: Workspace) -> Iterator[Work]:
    """Bring the bundles of now to be champion, or to death at an event: exit code and counts."""
    command = [sys.executable, "-m", "tests.torture.work", str(workspace.root)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        jobs, answers = worker.stdin, worker.stdout

        def run(phase: str = "", event: int = 0) -> tuple[int, dict[str, int]]:
            print(json.dumps([phase, event]), file=jobs, flush=True)
            answer = json.loads(answers.readline())
            return answer["code"], answer["counts"]

        yield run
        jobs.close()


def test_twelve_kills_never_show_a_broken_champion_and_the_next_run_converges(
    workspace: Workspace, served_bundle: Path, work: Work, seen: Path
):
    place_bundles(workspace, served_bundle, 3.0)
    code, counts = work()
    assert code == 0
    registry = Registry(f"sqlite:///{workspace.state / 'mlflow.db'}", "beholder")
    assert_converged(workspace, registry, 1)
    deaths = [(phase, share) for phase in PHASES for share in SHARES]
    for number, (phase, share) in enumerate(deaths, 2):
        place_bundles(workspace, served_bundle, 3.0 + number / 100)
        code, _ = work(phase, max(1, round(counts[phase] * share)))
        assert code == -signal.SIGKILL
        shown = registry.champion()
        assert shown is not None
        assert shown.number in (number - 1, number)
        assert registry.ledger.verify() == ()
        assert registry.find_drift() is None
        code, _ = work()
        assert code == 0
        assert_converged(workspace, registry, number)
    lines = seen.read_text().splitlines()
    assert [line for line in lines if line.startswith("bad")] == []
    assert {str(number) for number in range(1, len(deaths) + 1)} <= set(lines)


def assert_converged(workspace: Workspace, registry: Registry, number: int) -> None:
    """Exactly one version a bundle, each told once, the newest champion, and no leftovers."""
    versions = registry.versions()
    assert [version.number for version in versions] == list(range(number, 0, -1))
    assert len({version.digest for version in versions}) == number
    champion, previous = registry.champion(), registry.previous()
    assert champion is not None
    assert champion.number == number
    assert (previous.number if previous else 0) == number - 1
    verify_release(workspace.bentos / str(number))
    chain = registry.ledger.read()
    assert registry.ledger.verify() == ()
    assert (chain.position.champion, chain.position.pending) == (number, None)
    for kind in ("registered", "verdict", "moved"):
        told = [entry.version for entry in chain.entries if entry.kind == kind]
        assert told == list(range(1, number + 1)), kind
    leftovers = [*workspace.bentos.glob(".*.tmp"), *(workspace.state / "versions").glob(".*.tmp")]
    assert leftovers == []

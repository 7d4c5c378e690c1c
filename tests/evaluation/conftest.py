"""A small workspace in which everything was learnt."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.models.bundle import load_bundle
from components.models.predictor import Predictor
from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(device="cpu", threads=1)


@pytest.fixture(scope="session")
def small(
    make_trainable: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
    shrink: Callable[..., Params],
) -> Params:
    root = tmp_path_factory.mktemp("params") / "here"
    make_trainable(root)
    params = shrink(load_params(root / "params.yaml"))
    changed = {
        "evaluate": params.evaluate.model_copy(update={"bootstrap": 100, "k": 5}),
    }
    return params.model_copy(update=changed)


@pytest.fixture(scope="session")
def learnt(
    make_trainable: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
    small: Params,
    settings: Settings,
) -> Workspace:
    from components.training.step import train

    root = tmp_path_factory.mktemp("learnt") / "here"
    make_trainable(root)
    train(Workspace(root), small, settings)
    return Workspace(root)


@pytest.fixture
def workspace(learnt: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    shutil.copytree(learnt.root, tmp_path / "here")
    return Workspace(tmp_path / "here")


@pytest.fixture(scope="session")
def predictor(learnt: Workspace) -> Predictor:
    return Predictor(load_bundle(learnt.evaluation_bundle))

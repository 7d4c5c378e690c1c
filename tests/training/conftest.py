"""A small workspace, and what is learnt in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings

LEARNED = ("mf", "hybrid")
FAMILIES = ("mean", "popularity", "biases", *LEARNED)


@pytest.fixture
def workspace(tmp_path: Path, make_trainable: Callable[..., None]) -> Workspace:
    make_trainable(tmp_path / "here")
    return Workspace(tmp_path / "here")


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(device="cpu", threads=1)


@pytest.fixture
def choose(workspace: Workspace) -> Callable[..., Params]:
    """Return the parameters with some of those of `train` changed; few and small by default."""

    def change(**train: object) -> Params:
        params = load_params(workspace.params)
        small = {"factors": 4, "image_factors": 3, "max_epochs": 12, "batches": 3, **train}
        return params.model_copy(update={"train": params.train.model_copy(update=small)})

    return change

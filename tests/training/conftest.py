"""A small workspace, and what is learnt in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings

LEARNED = ("mf", "hybrid")


@pytest.fixture
def workspace(tmp_path: Path, make_trainable: Callable[..., None]) -> Workspace:
    make_trainable(tmp_path / "here")
    return Workspace(tmp_path / "here")


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(device="cpu", threads=1)


@pytest.fixture
def choose(workspace: Workspace, shrink: Callable[..., Params]) -> Callable[..., Params]:
    """Return the parameters of a family with some options changed; few and small by default."""

    def change(**changed: object) -> Params:
        return shrink(load_params(workspace.params), **{"batches": 3, **changed})

    return change

"""A small workspace, and what is learnt in it."""

from collections.abc import Callable, Iterator
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
def seeing(
    tmp_path_factory: pytest.TempPathFactory,
    make_trainable: Callable[..., None],
    give_eyes: Callable[..., None],
) -> Workspace:
    """A workspace whose embeddings a small real network made; copy it before you change it."""
    root = tmp_path_factory.mktemp("seeing") / "here"
    make_trainable(root)
    give_eyes(root)
    return Workspace(root)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Give torch one thread: for small sums the second costs more than it brings."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(device="cpu", threads=1)


@pytest.fixture
def choose(workspace: Workspace, shrink: Callable[..., Params]) -> Callable[..., Params]:
    """Return the parameters of a family with some options changed; few and small by default."""

    def change(**changed: object) -> Params:
        return shrink(load_params(workspace.params), **{"batches": 3, **changed})

    return change

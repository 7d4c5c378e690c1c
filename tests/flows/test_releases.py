import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.errors import WorkspaceError
from components.files import hash_tree
from components.paths import Workspace
from components.promotion.registry import Version
from flows.releases import (
    fetch_bento,
    fetch_bundles,
    find_champion,
    open_champion,
    open_registry,
    require_champion,
)


def test_without_a_champion_the_next_command_is_named(workspace: Workspace):
    assert find_champion(workspace) is None
    with pytest.raises(WorkspaceError, match="no champion yet; run 'beholder retrain'"):
        require_champion(workspace)


@pytest.fixture
def champion(workspace: Workspace, served_bundle: Path, register: Callable[..., Any]) -> Version:
    """A champion of that workspace whose bundles serve, encoder and golden questions included."""
    for folder in (workspace.evaluation_bundle, workspace.served_bundle):
        shutil.copytree(served_bundle, folder)
    version: Version = register(workspace)
    open_registry(workspace).promote(version, None)
    return require_champion(workspace)


def test_bundles_and_bento_come_back_when_this_disk_lost_them(
    workspace: Workspace, champion: Version
):
    bento = fetch_bento(workspace, champion)
    bundles = fetch_bundles(workspace, champion)
    first = hash_tree(bento), hash_tree(bundles.served)
    assert bundles.verify() == champion.digest
    shutil.rmtree(workspace.state / "versions")
    shutil.rmtree(workspace.bentos)
    shutil.rmtree(workspace.root / "models")
    assert fetch_bento(workspace, champion) == bento
    assert (hash_tree(bento).keys(), hash_tree(bundles.served)) == (first[0].keys(), first[1])


def test_what_stands_here_whole_is_not_made_again(workspace: Workspace, champion: Version):
    bento = fetch_bento(workspace, champion)
    times = {path: path.stat().st_mtime_ns for path in bento.rglob("*")}
    assert fetch_bento(workspace, champion) == bento
    assert {path: path.stat().st_mtime_ns for path in bento.rglob("*")} == times


def test_bundle_that_was_damaged_here_is_fetched_again(workspace: Workspace, champion: Version):
    weights = fetch_bundles(workspace, champion).served / "weights.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(whole[:-1])
    version, predictor = open_champion(workspace)
    assert version.number == champion.number
    assert weights.read_bytes() == whole
    assert predictor.bundle.family == "biases"

"""`beholder clone|backup|restore`, with a real git and a real DVC remote."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest

from components.batches import batch_folder, read_batches, verify_batch
from components.data.ingest import ingest
from components.errors import WorkspaceError
from components.params import load_params
from components.paths import Workspace
from flows.copies import backup_and_show, clone_and_show, restore_and_show

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with a batch of ratings, committed."""
    ratings = tmp_path / "ratings.csv"
    rows = [("anna", "1", 4.0, 100), ("ben", "2", 3.0, 200)]
    columns = ["user_id", "item_id", "rating", "timestamp"]
    pd.DataFrame(rows, columns=columns).to_csv(ratings, index=False)
    ingest(workspace, load_params(workspace.params), ratings=ratings)
    return workspace


def commit(workspace: Workspace) -> None:
    name = ("-c", "user.name=Anna", "-c", "user.email=anna@example.com")
    for command in (("add", "."), (*name, "commit", "--quiet", "--message", "begin")):
        subprocess.run(["git", *command], cwd=workspace.root, check=True)


def check_data(workspace: Workspace) -> None:
    (batch,) = read_batches(workspace)
    verify_batch(workspace, batch)
    assert (batch_folder(workspace, batch.id) / "ratings.parquet").is_file()


def test_clone_brings_the_data_and_is_a_workspace_of_its_own(
    shop: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    commit(shop)
    target = tmp_path / "deep/er/clone"
    remote = str(shop.root.with_name("here.remote"))
    clone_and_show(str(shop.root), target, remote)
    check_data(Workspace(target))
    told = capsys.readouterr()
    assert "MLFLOW_TRACKING_URI" in told.err + told.out
    assert str(target) in (target / ".dvc/config.local").read_text()


def test_clone_that_does_not_find_the_remote_says_how_to_go_on(shop: Workspace, tmp_path: Path):
    commit(shop)
    target = tmp_path / "far/clone"
    with pytest.raises(WorkspaceError, match=r"dvc remote modify storage url ADDRESS"):
        clone_and_show(str(shop.root), target, None)
    assert Workspace(target).batch_list.is_file()


def test_repository_without_a_workspace_is_refused_with_what_to_commit(tmp_path: Path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "other")], check=True)
    with pytest.raises(WorkspaceError, match=r"holds no workspace.*git add"):
        clone_and_show(str(tmp_path / "other"), tmp_path / "clone", None)
    assert not (tmp_path / "clone").exists()  # so that the same can be tried again
    with pytest.raises(WorkspaceError, match=r"'git clone .*' failed"):
        clone_and_show(str(tmp_path / "nothing"), tmp_path / "again", None)


def test_restored_workspace_has_its_data_from_the_remote(shop: Workspace, tmp_path: Path):
    file = tmp_path / "shop.tar"
    backup_and_show(shop, file)
    shop.root.rename(tmp_path / "lost")
    restore_and_show(file, tmp_path / "again", None)
    check_data(Workspace(tmp_path / "again"))

import importlib.metadata
import shutil
import subprocess
from pathlib import Path

import pytest

from components.batches import read_batches
from components.data.workspace import find_template, init_workspace, read_laid_down
from components.dvc import run_dvc
from components.errors import WorkspaceError
from components.files import hash_tree
from components.params import load_params
from components.paths import Workspace, find_workspace

COMMITTED = {
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "code.yaml",
    "data/batches.json",
    "dvc.yaml",
    "params.yaml",
}


def seen_by_git(folder: Path) -> set[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    child = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(child.stdout.splitlines())


@pytest.mark.integration
def test_new_workspace_holds_what_a_person_should_commit_and_dvc_understands_it(
    workspace: Workspace,
) -> None:
    assert seen_by_git(workspace.root) == COMMITTED
    assert find_workspace(workspace.batches) == workspace
    assert read_batches(workspace) == ()
    assert load_params(workspace.params) == load_params(find_template() / "params.yaml")
    assert read_laid_down(workspace) == importlib.metadata.version("beholder")
    config = run_dvc(workspace, "config", "--list").lines
    expected = {
        f"remote.storage.url={workspace.root}.remote",
        "remote.storage.verify=true",
        "core.analytics=false",
        "core.check_update=false",
        "core.autostage=false",
        "core.remote=storage",
        "cache.type=hardlink,copy",
    }
    assert expected <= set(config)
    assert "validate" in run_dvc(workspace, "stage", "list").text
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=workspace.root, capture_output=True)
    assert head.returncode != 0  # nothing was committed


@pytest.mark.integration
def test_outputs_of_the_steps_are_not_for_git(workspace: Workspace) -> None:
    kept = ["reports/split.json", "reports/evaluation/metrics.json", "data/raw/batches/a.dvc"]
    ignored = [
        "data/accepted/ratings.parquet",
        "data/quarantine/items.parquet",
        "data/split/train.parquet",
        "data/embeddings/images.parquet",
        "data/raw/batches/abc/ratings.parquet",
        "data/raw/batches/.abc.1.tmp/ratings.parquet",
        "models/served/manifest.json",
        "reports/validation/docs/index.html",
        "reports/validation/results.json",
        "reports/evaluation/report.html",
        "reports/evaluation/predictions.parquet",
        ".beholder/run/step.lock",
        ".dvc/cache/files/md5/ab/cd",
    ]
    for name in (*kept, *ignored):
        path = workspace.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert seen_by_git(workspace.root) == COMMITTED | set(kept)


@pytest.mark.integration
def test_second_call_changes_nothing_and_keeps_what_a_person_changed(workspace: Workspace) -> None:
    with workspace.params.open("a") as file:
        file.write("# mine\n")
    before = hash_tree(workspace.root)
    assert init_workspace(workspace.root) == workspace
    assert hash_tree(workspace.root) == before


@pytest.mark.integration
def test_half_made_workspace_is_completed(workspace: Workspace) -> None:
    whole = hash_tree(workspace.root)
    for left in (
        workspace.params,
        workspace.pipeline,
        workspace.code,
        workspace.root / ".gitignore",
    ):
        left.unlink()
    (workspace.root / ".dvc/config").write_text("")
    shutil.rmtree(workspace.root / ".git")
    init_workspace(workspace.root)
    now = hash_tree(workspace.root)
    names = [name for name in COMMITTED if name != ".dvcignore"]
    assert {name: now[name] for name in names} == {name: whole[name] for name in names}


@pytest.mark.integration
def test_existing_folder_keeps_its_ignore_lines_and_gets_the_remote_asked_for(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / ".gitignore").write_text("*.log")
    init_workspace(folder, remote=str(tmp_path / "store"))
    lines = (folder / ".gitignore").read_text().splitlines()
    assert lines[0] == "*.log"
    assert "/data/accepted" in lines
    assert f"url = {tmp_path / 'store'}" in (folder / ".dvc/config").read_text()


@pytest.mark.integration
def test_remote_by_address_is_written_down(tmp_path: Path) -> None:
    init_workspace(tmp_path / "work", remote="s3://bucket/store")
    assert "url = s3://bucket/store" in (tmp_path / "work/.dvc/config").read_text()


def test_remote_within_the_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="lies inside the workspace"):
        init_workspace(tmp_path / "a", remote=str(tmp_path / "a/store"))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("taken", ["params.yaml", "dvc.yaml", "data", "models", ".dvc"])
def test_folder_that_holds_something_of_our_names_is_refused(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).mkdir()
    with pytest.raises(WorkspaceError, match=f"already holds {taken}; name an empty"):
        init_workspace(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("x")
    with pytest.raises(WorkspaceError, match="is a file"):
        init_workspace(tmp_path / "work")


def test_pipeline_of_unknown_version_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert read_laid_down(Workspace(tmp_path)) is None


def test_workspace_inside_another_is_refused(tmp_path: Path) -> None:
    outer = init_workspace(tmp_path / "shop")
    with pytest.raises(WorkspaceError, match=r"lies inside the workspace .*shop; name a folder"):
        init_workspace(outer.root / "reports" / "inner")
    assert not (outer.root / "reports").exists()

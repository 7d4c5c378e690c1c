from pathlib import Path

import pytest
import yaml

from components.batches import Batch, write_batches
from components.errors import CorruptFileError, DataError
from components.paths import Workspace
from flows.data_versions import DataVersion, read_data_versions

MD5 = "a" * 32 + ".dir"
BATCHES = (Batch("0" * 16, "0" * 64, 1, 2, 3), Batch("1" * 16, "1" * 64, 0, 0, 3))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    write_batches(workspace, BATCHES)
    for batch in BATCHES:
        file = workspace.batches / f"{batch.id}.dvc"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump({"outs": [{"md5": MD5, "path": batch.id}]}))
    (tmp_path / ".dvc").mkdir()
    workspace.params.write_text("")
    return workspace


def write_lock(workspace: Workspace) -> None:
    outs = [{"path": "data/accepted", "md5": "b.dir"}, {"path": "reports/x.json", "md5": "c"}]
    stages = {"validate": {"cmd": "…", "outs": outs}, "frozen": {"cmd": "…"}}
    workspace.lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def test_batches_with_images_and_outputs_that_are_data_are_named_with_their_md5(
    workspace: Workspace,
):
    write_lock(workspace)
    first = BATCHES[0].id
    assert read_data_versions(workspace) == (
        DataVersion("ratings and items", "data/accepted", "b.dir", "validation"),
        DataVersion(f"images {first}", f"data/raw/batches/{first}", MD5, "training"),
    )


def test_before_any_step_there_are_only_batches(workspace: Workspace):
    assert [version.name for version in read_data_versions(workspace)] == [
        "images 0000000000000000"
    ]


def test_workspace_without_data_has_no_versions(tmp_path: Path):
    assert read_data_versions(Workspace(tmp_path)) == ()


@pytest.mark.parametrize("content", ["", "stages", "{", "other: 1"])
def test_broken_lock_is_named(workspace: Workspace, content: str):
    workspace.lock.write_text(content)
    with pytest.raises(CorruptFileError, match=r"dvc\.lock is no file of DVC's"):
        read_data_versions(workspace)


def test_source_of_a_dataset_loads_what_the_workspace_holds_and_nothing_else(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    from flows.dvc_source import DvcSource

    monkeypatch.chdir(workspace.root)
    path = f"data/raw/batches/{BATCHES[0].id}"
    source = DvcSource.from_json(DvcSource(path, MD5).to_json())
    assert source.load() == workspace.root / path
    with pytest.raises(DataError, match="dvc checkout"):
        DvcSource(path, "b.dir").load()

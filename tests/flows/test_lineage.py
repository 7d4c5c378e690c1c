import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.batches import Batch, write_batches
from components.errors import CorruptFileError, WorkspaceError
from components.files import write_json
from components.params import Params, load_params
from components.paths import Workspace
from flows.lineage import Lineage, digest_learning_params, find_commit, read_lineage

ROOT = Path(__file__).parents[2]
STEPS = ("validate", "split", "embed", "train", "evaluate", "refit")


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace whose steps have all run, as far as a lineage looks at it."""
    workspace = Workspace(tmp_path)
    write_batches(workspace, (Batch("0" * 16, "0" * 64, 1, 2, 3),))
    workspace.code.write_text(yaml.safe_dump({step: f"code of {step}" for step in STEPS}))
    workspace.lock.write_text("schema: '2.0'\n")
    for folder in (workspace.evaluation_bundle, workspace.served_bundle):
        write_json(folder / "manifest.json", {"name": folder.name})
    return workspace


def test_same_inputs_and_results_have_the_same_id(workspace: Workspace, params: Params):
    lineage = read_lineage(workspace, params)
    assert read_lineage(workspace, params) == lineage
    assert len(lineage.lineage_id) == 16
    assert set(lineage.lineage_id) <= set("0123456789abcdef")


@pytest.fixture
def lineage(workspace: Workspace, params: Params) -> Lineage:
    return read_lineage(workspace, params)


@pytest.mark.parametrize("field", ["data_version", "params", "packages", "evaluation", "served"])
def test_whatever_determines_the_result_changes_the_id(lineage: Lineage, field: str):
    assert replace(lineage, **{field: "other"}).lineage_id != lineage.lineage_id


@pytest.mark.parametrize("step", STEPS)
def test_code_of_learning_steps_changes_the_id_and_that_of_judging_ones_does_not(
    lineage: Lineage, step: str
):
    other = replace(lineage, code={**lineage.code, step: "other"})
    assert (other.lineage_id == lineage.lineage_id) == (step == "evaluate")


def test_commit_and_dvc_lock_do_not_change_the_id(lineage: Lineage):
    other = replace(lineage, git_commit="f" * 40, pipeline_lock="other")
    assert other.lineage_id == lineage.lineage_id


def test_sections_that_only_judge_do_not_change_the_digest_of_the_parameters(params: Params):
    stricter = params.model_copy(update={"gate": params.gate.model_copy(update={"level": 0.99})})
    assert digest_learning_params(stricter) == digest_learning_params(params)
    closer = params.model_copy(update={"monitor": params.monitor.model_copy(update={"days": 1.0})})
    assert digest_learning_params(closer) == digest_learning_params(params)
    other = params.model_copy(update={"train": params.train.model_copy(update={"seed": 9})})
    assert digest_learning_params(other) != digest_learning_params(params)


def test_commit_is_that_of_the_workspace_or_none(tmp_path: Path):
    assert find_commit(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    assert find_commit(tmp_path) is None
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "first"], check=True)
    found = find_commit(tmp_path)
    assert found is not None
    assert len(found) == 40


def test_tags_find_a_version_again_and_name_a_commit_only_where_there_is_one(lineage: Lineage):
    tags = replace(lineage, git_commit=None).to_tags()
    assert tags["beholder.lineage_id"] == lineage.lineage_id
    assert "mlflow.source.git.commit" not in tags
    assert all(isinstance(value, str) for value in tags.values())
    assert replace(lineage, git_commit="abc").to_tags()["mlflow.source.git.commit"] == "abc"


def test_json_holds_the_id_and_all_that_it_stands_for(lineage: Lineage):
    content = lineage.to_json()
    assert content["lineage_id"] == lineage.lineage_id
    assert content["code"]["train"] == "code of train"


@pytest.mark.parametrize(
    "missing", ["dvc.lock", "code.yaml", "models/evaluation/manifest.json", "models/served"]
)
def test_step_that_has_not_run_is_named(workspace: Workspace, params: Params, missing: str):
    path = workspace.root / missing
    path.rename(path.with_name("away"))
    with pytest.raises(WorkspaceError, match=f"{missing}.* is missing"):
        read_lineage(workspace, params)


@pytest.mark.parametrize("content", ["", "- 1", "split: x", "a: b: c"])
def test_code_file_without_a_step_is_refused(workspace: Workspace, params: Params, content: str):
    workspace.code.write_text(content)
    with pytest.raises(CorruptFileError, match=r"code\.yaml"):
        read_lineage(workspace, params)

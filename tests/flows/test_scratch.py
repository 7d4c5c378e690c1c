import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.batches import Batch, batch_folder, hash_batch, read_batches
from components.code import digest_steps
from components.data.ingest import ingest
from components.data.versions import local_remote
from components.errors import CorruptFileError, WorkspaceError
from components.params import load_params
from components.paths import Workspace
from components.promotion.registry import Version
from flows.data_versions import read_batch_md5s
from flows.recipe import Recipe
from flows.reproducing import Code, choose_code, imitate
from flows.scratch import fetch_data, open_scratch, remove_scratch, scratch_folder
from flows.source_code import find_changed_steps, find_code_commit

SHA = "a1" * 32
BATCH = Batch(SHA[:16], SHA, 0, 0, 3)
MACHINE = {"device": "cpu", "chip": "AVX2", "threads": None, "default_threads": 1}

Make = Callable[..., Recipe]


@pytest.fixture
def make() -> Make:
    """Return a recipe of version 3, the parameters and steps those of the template."""
    root = Path(__file__).parents[2]

    def recipe(**changed: Any) -> Recipe:
        given: dict[str, Any] = {
            "version": Version(3, "d" * 64, "run", "place", {}),
            "batches": (BATCH,),
            "md5s": {BATCH.id: "0" * 32 + ".dir"},
            "params": (root / "params.yaml").read_bytes(),
            "pipeline": (root / "dvc.yaml").read_bytes(),
            **dict.fromkeys(("outputs", "code", "commit", "packages", "machine")),
            **changed,
        }
        return Recipe(**given)

    return recipe


def test_folder_that_holds_other_things_is_left_alone(
    workspace: Workspace, tmp_path: Path, make: Make
):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(WorkspaceError, match="holds other things; name a new folder with --into"):
        open_scratch(folder, workspace, make())
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_scratch_is_gone_on_with_for_its_own_version_only(
    workspace: Workspace, tmp_path: Path, make: Make
):
    folder = tmp_path / "scratch"
    scratch = open_scratch(folder, workspace, make())
    assert read_batches(scratch) == (BATCH,)
    assert local_remote(scratch) == local_remote(workspace)
    (scratch.state / "kept").touch()
    assert open_scratch(folder, workspace, make()) == scratch
    assert (scratch.state / "kept").exists()
    other = make(version=Version(4, "e" * 64, "run", "place", {}))
    with pytest.raises(WorkspaceError, match=r"is where version 3 of .* is reproduced"):
        open_scratch(folder, workspace, other)


def test_call_that_was_killed_at_its_very_beginning_is_gone_on_with(
    workspace: Workspace, tmp_path: Path, make: Make
):
    (tmp_path / "scratch/.beholder").mkdir(parents=True)
    assert open_scratch(tmp_path / "scratch", workspace, make()).params.is_file()


@pytest.mark.integration
def test_data_come_from_the_remote_and_from_the_cache_where_that_lost_them(
    workspace: Workspace, tmp_path: Path, make: Make
):
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("user_id,item_id,rating,timestamp\nu,i,3,1000000000\nv,i,4,1000000001\n")
    batch = ingest(workspace, load_params(workspace.params), ratings=ratings).batch
    recipe = make(batches=(batch,), md5s=read_batch_md5s(workspace))
    folder = scratch_folder(workspace, 3)
    scratch = open_scratch(folder, workspace, recipe)
    assert fetch_data(scratch, recipe) == 1
    assert fetch_data(scratch, recipe) == 0
    assert hash_batch(batch_folder(scratch, batch.id)) == batch.sha256
    remove_scratch(scratch)
    assert not folder.parent.exists()
    remote = local_remote(workspace)
    assert remote is not None
    shutil.rmtree(remote)
    scratch = open_scratch(folder, workspace, recipe)
    assert fetch_data(scratch, recipe) == 1
    assert hash_batch(batch_folder(scratch, batch.id)) == batch.sha256
    shutil.rmtree(scratch.root)
    shutil.rmtree(workspace.root / ".dvc/cache")
    with pytest.raises((CorruptFileError, WorkspaceError)):
        fetch_data(open_scratch(folder, workspace, recipe), recipe)


def test_code_of_now_is_taken_where_it_is_what_was_recorded(workspace: Workspace, make: Make):
    here = digest_steps()
    code = choose_code(workspace, make(code=here, commit="0" * 40))
    assert (code.changed, code.folder, code.says) == ((), None, "the code of now")
    judged = choose_code(workspace, make(code={**here, "evaluate": "0"}, commit="0" * 40))
    assert (judged.changed, judged.folder) == (("evaluate",), None)
    assert choose_code(workspace, make()).changed is None


def test_code_of_a_commit_that_nobody_has_is_replaced_by_that_of_now(
    workspace: Workspace, make: Make
):
    recorded = {**digest_steps(), "train": "0" * 64}
    code = choose_code(workspace, make(code=recorded, commit="0" * 40))
    assert (code.changed, code.folder) == (("train",), None)


def test_code_of_the_recorded_commit_is_taken_where_it_is_nearer(
    workspace: Workspace, make: Make, monkeypatch: pytest.MonkeyPatch
):
    commit = find_code_commit()
    if commit is None:
        pytest.skip("the source is not kept by git here")
    first = choose_code(workspace, make(code=dict.fromkeys(digest_steps(), "0"), commit=commit))
    recorded = dict(first.digests)
    # As if the source had gone on since.
    later = {**recorded, "train": "1" * 64}
    monkeypatch.setattr("flows.reproducing.digest_steps", lambda: later)
    extracted = choose_code(workspace, make(code=recorded, commit=commit))
    if find_changed_steps(recorded, extracted.digests):
        pytest.skip("the source has changes that are not committed")
    assert extracted.folder is not None
    assert (extracted.folder / "components/__main__.py").is_file()


def test_steps_get_the_recorded_threads_and_device_and_the_caller_keeps_its_own(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BEHOLDER_THREADS", "5")
    monkeypatch.setattr("flows.reproducing.describe_machine", lambda *_: {"default_threads": 2})
    code = Code({}, (), tmp_path, "an older one")
    with imitate(make(machine=MACHINE), code):
        seen = SimpleNamespace(**{name.lower(): value for name, value in os.environ.items()})
    assert not hasattr(seen, "beholder_threads")
    assert (seen.beholder_device, seen.omp_num_threads) == ("cpu", "1")
    assert seen.pythonpath == str(tmp_path)
    assert os.environ["BEHOLDER_THREADS"] == "5"
    assert os.environ.get("PYTHONPATH") != str(tmp_path)

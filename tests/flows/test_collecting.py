"""`beholder gc`: what nothing needs goes, what is kept stays whole."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from components.errors import ConflictError, WorkspaceError
from components.files import write_json
from components.locking import hold_lock
from components.paths import Workspace
from components.promotion.artifacts import Bundles
from components.promotion.registry import Version
from flows.collecting import collect_and_show
from flows.dvc_garbage import find_objects, remove_objects
from flows.garbage import Offer
from flows.releases import fetch_bundles, open_registry
from tests.flows.conftest import dvc

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(
    workspace: Workspace,
    place_bundles: Callable[..., Bundles],
    register: Callable[..., Version],
) -> Workspace:
    """Three versions; the third is champion and the second was before; things of each about."""
    registry = open_registry(workspace)
    for number in range(1, 4):
        place_bundles(workspace, 3.0 + number / 10)
        register(workspace)
        for around in ("versions", "bentos", "reviews"):
            (workspace.state / around / str(number)).mkdir(parents=True)
            (workspace.state / around / str(number) / "file").write_text("x" * 1000)
    registry.promote(registry.version(2), None)
    registry.promote(registry.version(3), registry.version(2))
    return workspace


def collect(workspace: Workspace, **changed: bool) -> None:
    collect_and_show(workspace, keep=1, **{"is_agreed": True, **changed})


def left(workspace: Workspace, around: str) -> list[str]:
    return sorted(path.name for path in (workspace.state / around).iterdir())


def test_champion_and_the_one_before_stay_whole_and_the_others_say_how_they_come_back(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
):
    collect(shop)
    assert [left(shop, around) for around in ("bentos", "reviews")] == [["2", "3"]] * 2
    registry = open_registry(shop)
    for number in (2, 3):
        version = registry.version(number)
        assert fetch_bundles(shop, version).verify() == version.digest
        with pytest.raises(ConflictError, match=f"version {number} is champion"):
            registry.free(version)
    freed = registry.version(1)
    assert registry.measure(freed) == 0
    with pytest.raises(ConflictError, match=r"'beholder gc' on .*'beholder reproduce 1 --keep'"):
        fetch_bundles(shop, freed)
    capsys.readouterr()
    collect(shop)
    assert "nothing else lies about" in capsys.readouterr().out


def test_bundles_learnt_again_after_they_were_freed_become_a_new_version(
    shop: Workspace, place_bundles: Callable[..., Bundles], register: Callable[..., Version]
):
    collect(shop)
    place_bundles(shop, 3.1)
    again = register(shop)
    assert again.number == 4
    assert fetch_bundles(shop, again).verify() == again.digest


def test_plan_is_told_before_and_nothing_goes_without_consent(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
):
    collect(shop, is_agreed=False)
    told = capsys.readouterr().out
    assert "version 3  champion" in told
    assert "version 2  champion before, for a rollback" in told
    assert "'beholder gc --yes' frees it" in told
    collect(shop, is_agreed=False, as_json=True)
    plan = json.loads(capsys.readouterr().out)
    assert plan["kept"]["3"] == ["champion", "the newest"]
    assert {piece["kind"] for piece in plan["pieces"]} >= {"Bentos", "bundles in MLflow"}
    assert plan["bytes"] == sum(piece["bytes"] for piece in plan["pieces"])
    assert plan["waits_for"] is None
    assert left(shop, "bentos") == ["1", "2", "3"]


def test_plan_is_told_while_a_model_is_learnt_and_nothing_goes_before_that_is_over(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
):
    collect(shop, is_agreed=False)
    quiet, _, _ = capsys.readouterr().out.rpartition("nothing was freed")
    with hold_lock(shop.work_lock, wait_seconds=0, what="a retraining"):
        collect(shop, is_agreed=False)
        told = capsys.readouterr().out
        assert told.startswith(quiet)
        assert "nothing is freed now, and this may change: the workspace's work is in use" in told
        collect(shop, is_agreed=False, as_json=True)
        assert "in use by process" in json.loads(capsys.readouterr().out)["waits_for"]
        with pytest.raises(WorkspaceError, match=r"nothing was freed: .* in use by process"):
            collect(shop)
        assert capsys.readouterr().out.startswith(quiet)
    assert left(shop, "bentos") == ["1", "2", "3"]
    collect(shop)
    assert left(shop, "bentos") == ["2", "3"]


def test_plan_that_cannot_be_made_beside_a_run_is_refused_with_why(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
):
    def vanish(*_: object) -> Iterator[Offer]:
        raise FileNotFoundError("gone meanwhile")

    monkeypatch.setattr("flows.collecting.find_garbage", vanish)
    with (
        hold_lock(shop.work_lock, wait_seconds=0, what="a retraining"),
        pytest.raises(WorkspaceError, match=r"in use by process .* changes meanwhile"),
    ):
        collect(shop, is_agreed=False)
    with pytest.raises(FileNotFoundError):
        collect(shop, is_agreed=False)


def test_embeddings_of_other_encoders_go_and_all_but_the_latest_checkpoints(workspace: Workspace):
    write_json(workspace.embeddings / "encoder/encoder.json", {"digest": "now"})
    for name in ("embeddings/now", "embeddings/before", "checkpoints/a", "checkpoints/b"):
        (workspace.cache / name).mkdir(parents=True)
        (workspace.cache / name / "file").write_text("x")
    collect(workspace)
    assert [path.name for path in (workspace.cache / "embeddings").iterdir()] == ["now"]
    assert len(list((workspace.cache / "checkpoints").iterdir())) == 1


def read_md5(workspace: Workspace, name: str) -> str:
    return str(yaml.safe_load((workspace.root / f"{name}.dvc").read_text())["outs"][0]["md5"])


@pytest.fixture
def outdated(workspace: Workspace) -> tuple[Workspace, str]:
    """A workspace whose folder `files` was two files, and is another one; and its old md5."""
    folder = workspace.root / "files"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(f"{name} as it was")
    dvc(workspace, "add", "--quiet", "files")
    before = read_md5(workspace, "files")
    (folder / "b").unlink()
    (folder / "b").write_text("b as it is")
    dvc(workspace, "add", "--quiet", "files")
    return workspace, before


def find_cached(workspace: Workspace) -> set[Path]:
    return {path for path in (workspace.root / ".dvc/cache").rglob("*") if path.is_file()}


def test_objects_that_no_dvc_file_names_go_and_the_others_stay(outdated: tuple[Workspace, str]):
    workspace, before = outdated
    found = find_objects(workspace, [])
    assert before in found
    assert len(found) == 2  # the folder as it was, and the file that changed
    assert found[before] > 0
    cached = find_cached(workspace)
    assert remove_objects(workspace, []) == 2
    assert len(cached - find_cached(workspace)) == 2
    assert find_objects(workspace, []) == {}
    dvc(workspace, "checkout", "--quiet", "files")


def test_objects_of_a_version_that_is_kept_stay_with_all_that_is_in_them(
    outdated: tuple[Workspace, str],
):
    workspace, before = outdated
    assert find_objects(workspace, [before]) == {}
    assert remove_objects(workspace, [before]) == 0

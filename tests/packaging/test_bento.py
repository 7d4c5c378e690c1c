import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import BeholderError, CorruptFileError
from components.models.bundle import read_digest
from components.packaging.bento import Recipe, package
from components.packaging.release import RELEASE, list_files, read_release, verify_release
from components.params import IndexOptions, Retrieval
from components.retrieval.statement import Statement


def stamp(folder: Path) -> int:
    return (folder / RELEASE).stat().st_ino


def test_bento_is_labelled_with_version_lineage_family_and_digest(
    bento: Path, served_bundle: Path, lineage: dict[str, str]
):
    description = yaml.safe_load((bento / "bento.yaml").read_text())
    assert description["labels"] == {
        "version": lineage["version"],
        "lineage_id": lineage["lineage_id"],
        "family": "biases",
        "digest": read_digest(served_bundle),
    }
    release = read_release(bento)
    assert f"{description['name']}:{description['version']}" == f"beholder:{release.recipe[:16]}"


def test_manifest_names_every_file_with_its_hash(bento: Path):
    release = verify_release(bento)
    assert release.files == list_files(bento)
    assert {"bento.yaml", "src/lineage.json", "src/bundle/encoder/encoder.safetensors"} <= set(
        release.files
    )
    assert not [name for name in release.files if name.endswith((".pkl", ".pickle", ".pyc"))]


def test_requirements_are_pinned_once_and_hold_no_address(bento: Path):
    lines = (bento / "env/python/requirements.txt").read_text().split("\n")
    pins = [line for line in lines if line]
    assert all("==" in pin and "://" not in pin and not pin.startswith("-") for pin in pins)
    names = [pin.split("==")[0] for pin in pins]
    assert len(names) == len(set(names))
    assert "bentoml" in names


def test_no_path_of_this_machine_is_in_the_bento(bento: Path, served_bundle: Path):
    for name in list_files(bento):
        content = (bento / name).read_bytes()
        assert str(served_bundle.parent).encode() not in content, name
        assert str(Path(__file__).parents[2]).encode() not in content, name


def test_packaging_again_changes_nothing_and_elsewhere_gives_the_same_content(
    bento: Path, served_bundle: Path, lineage: dict[str, str], tmp_path: Path
):
    before = stamp(bento)
    tag = package(served_bundle, lineage, bento, tolerance=1e-4)
    assert stamp(bento) == before
    assert package(served_bundle, lineage, tmp_path / "other", tolerance=1e-4) == tag
    assert read_release(tmp_path / "other").content == read_release(bento).content


def test_other_lineage_replaces_and_damage_is_mended(
    bento: Path, served_bundle: Path, lineage: dict[str, str], tmp_path: Path
):
    target = Path(shutil.copytree(bento, tmp_path / "bento"))
    (target / "src/serving/door.py").write_text("")
    tag = package(served_bundle, lineage, target, tolerance=1e-4)
    assert tag == f"beholder:{read_release(bento).recipe[:16]}"
    assert verify_release(target).content == read_release(bento).content
    other = package(served_bundle, {**lineage, "version": "4"}, target, tolerance=1e-4)
    assert other != tag
    assert read_release(target).version == "4"


def test_in_a_small_catalogue_the_parameters_of_indexes_change_nothing(
    bento: Path, served_bundle: Path, lineage: dict[str, str]
):
    before = stamp(bento)
    for retrieval in (Retrieval(), Retrieval(k=3, seed=1)):
        package(served_bundle, lineage, bento, tolerance=1e-4, retrieval=retrieval)
    assert stamp(bento) == before
    assert read_release(bento).retrieval == Statement()
    assert not (bento / "src/index").exists()


def test_in_a_large_catalogue_they_make_another_bento(wide_bundle: Path, lineage: dict[str, str]):
    looks = IndexOptions(index_from=400, width=8, shortlist=10)
    chosen = [None, Retrieval(looks=looks), Retrieval(looks=looks, recall=0.5)]
    digests = {
        Recipe(wide_bundle, "d", "biases", lineage, {}, [], 1e-4, retrieval).digest_all()
        for retrieval in chosen
    }
    assert len(digests) == 3


def test_bento_of_a_large_catalogue_holds_its_indexes_and_says_what_they_find(indexed_bento: Path):
    release = verify_release(indexed_bento)
    names = [name for name in release.files if name.startswith("src/index/")]
    assert names == [
        f"src/index/{name}"
        for name in ("looks.faiss", "looks.safetensors", "tastes.faiss", "tastes.safetensors")
    ]
    written = json.loads((indexed_bento / RELEASE).read_text())["retrieval"]
    assert written["tastes"]["way"] == "index"
    assert written["tastes"]["recall"] == release.retrieval.tastes.recall == 1.0
    assert written["looks"]["recall"] < 0.9
    assert {"src/components/retrieval/cells.py"} <= set(release.files)
    assert "src/components/retrieval/making.py" not in release.files


@pytest.mark.parametrize("key", ["version", "lineage_id"])
def test_lineage_without_a_name_is_refused(
    served_bundle: Path, lineage: dict[str, str], tmp_path: Path, key: str
):
    with pytest.raises(BeholderError, match=key):
        package(served_bundle, {**lineage, key: ""}, tmp_path / "bento", tolerance=1e-4)


def test_damaged_bundle_is_refused_and_nothing_is_written(
    served_bundle: Path, lineage: dict[str, str], tmp_path: Path
):
    copy = Path(shutil.copytree(served_bundle, tmp_path / "copy"))
    (copy / "weights.safetensors").write_bytes(b"?")
    with pytest.raises(CorruptFileError, match=r"weights\.safetensors is changed"):
        package(copy, lineage, tmp_path / "out" / "bento", tolerance=1e-4)
    assert not (tmp_path / "out").exists()


def test_bundle_that_is_none_to_be_served_is_refused(
    served_bundle: Path, lineage: dict[str, str], tmp_path: Path
):
    from components.models.bundle import seal_bundle

    copy = Path(shutil.copytree(served_bundle, tmp_path / "copy"))
    shutil.rmtree(copy / "encoder")
    seal_bundle(copy)
    with pytest.raises(BeholderError, match="holds no encoder/"):
        package(copy, lineage, tmp_path / "bento", tolerance=1e-4)


PACKAGE = """
import json, sys
from pathlib import Path
from components.packaging.bento import package
print("started", flush=True)
package(Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]), tolerance=1e-4)
"""


def test_killed_build_leaves_no_bento_under_the_final_name(
    served_bundle: Path, lineage: dict[str, str], tmp_path: Path
):
    target = tmp_path / "bento"
    arguments = [str(served_bundle), json.dumps(lineage), str(target)]
    builder: Any = subprocess.Popen(
        [sys.executable, "-c", PACKAGE, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert builder.stdout.readline() == "started\n"
    while not list(tmp_path.glob(".bento.*.tmp/.build")):
        assert builder.poll() is None
    os.kill(builder.pid, signal.SIGKILL)
    builder.wait()
    builder.stdout.close()
    assert not target.exists()
    package(served_bundle, lineage, target, tolerance=1e-4)
    assert verify_release(target).version == "3"
    assert [path.name for path in tmp_path.iterdir()] == ["bento"]

import json
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import CorruptFileError
from components.packaging.release import (
    RELEASE,
    ReleaseManifest,
    hash_content,
    list_files,
    read_release,
    verify_release,
    write_release,
)
from components.retrieval.statement import Search, Statement


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for name in ("bento.yaml", "src/a.py", "src/bundle/b.bin", "env/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    files = list_files(tmp_path)
    manifest = ReleaseManifest(
        "beholder", "1", "l", "biases", "d", "r", "t", 1e-4, hash_content(files), files
    )
    write_release(tmp_path, manifest)
    return tmp_path


def test_untouched_release_verifies(release: Path):
    assert verify_release(release).files.keys() == {
        "bento.yaml",
        "src/a.py",
        "src/bundle/b.bin",
        "env/c.txt",
    }


@pytest.mark.parametrize("name", ["bento.yaml", "src/a.py", "src/bundle/b.bin", "env/c.txt"])
def test_changed_file_is_named(release: Path, name: str):
    (release / name).write_text("?")
    with pytest.raises(CorruptFileError, match=f"{name} is changed"):
        verify_release(release)


def test_missing_and_added_files_are_named(release: Path):
    (release / "src/a.py").rename(release / "src/z.py")
    with pytest.raises(CorruptFileError, match=r"src/a\.py is missing"):
        verify_release(release)
    (release / "src/a.py").write_text("src/a.py")
    with pytest.raises(CorruptFileError, match=r"src/z\.py is unlisted"):
        verify_release(release)


def test_only_the_asked_part_is_read(release: Path):
    (release / "env/c.txt").write_text("?")
    (release / "src/bundle/b.bin").write_text("?")
    verify_release(release, below="src", leave_out=["src/bundle"])


def test_manifest_that_was_edited_is_noticed(release: Path):
    content = json.loads((release / RELEASE).read_text())
    content["content"] = "0" * 64
    (release / RELEASE).write_text(json.dumps(content))
    with pytest.raises(CorruptFileError, match="its manifest is changed"):
        verify_release(release)


def test_how_lists_are_found_is_written_and_read(release: Path):
    stated = Statement(looks=Search("index", "IVF9", 4, 100, 10, 200, 0.97))
    write_release(release, replace(read_release(release), retrieval=stated))
    assert read_release(release).retrieval == stated


def test_a_release_from_before_there_were_indexes_finds_everything_exactly(release: Path):
    content = json.loads((release / RELEASE).read_text())
    assert content["format"] == 3
    del content["retrieval"]
    (release / RELEASE).write_text(json.dumps({**content, "format": 2}))
    assert verify_release(release).retrieval == Statement()


@pytest.mark.parametrize("retrieval", [None, {}, {"tastes": {}}, {"tastes": {"?": 1}, "looks": {}}])
def test_a_release_that_does_not_say_how_lists_are_found_is_corrupt(
    release: Path, retrieval: object
):
    content = json.loads((release / RELEASE).read_text())
    (release / RELEASE).write_text(json.dumps({**content, "retrieval": retrieval}))
    with pytest.raises(CorruptFileError, match="no release manifest"):
        read_release(release)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}', '{"format": 1, "surprise": 2}']
)
def test_something_else_than_a_manifest_is_corrupt(release: Path, text: str):
    (release / RELEASE).write_text(text)
    with pytest.raises(CorruptFileError):
        read_release(release)


def test_content_does_not_depend_on_the_time_of_the_build(release: Path):
    before = hash_content(list_files(release))
    (release / "bento.yaml").write_text("built later")
    assert hash_content(list_files(release)) == before

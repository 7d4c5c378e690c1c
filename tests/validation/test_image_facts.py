import hashlib
import logging
from pathlib import Path

import pytest
from PIL import Image

from components.errors import CorruptFileError
from components.validation.image_facts import FactStore, gather_facts

Files = list[tuple[str, Path, bool]]


def lay_down(folder: Path, contents: list[bytes]) -> Files:
    files = []
    for content in contents:
        sha256 = hashlib.sha256(content).hexdigest()
        path = folder / "batch/images" / f"{sha256}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        files.append((sha256, path, False))
    return files


def verified(files: Files) -> Files:
    return [(sha256, path, True) for sha256, path, _ in files]


def test_every_image_is_measured_once(tmp_path: Path, pictures: list[bytes]) -> None:
    files = lay_down(tmp_path, pictures)
    facts = gather_facts(FactStore(tmp_path / "cache", 25), files)
    assert facts["sha256"].tolist() == sorted(sha256 for sha256, _, _ in files)
    assert (facts["width"] == 48).all()
    assert facts["problem"].isna().all()
    assert facts["contrast"].between(0.05, 0.5).all()
    for _, path, _ in files:
        path.unlink()  # whatever is read again now would be missed
    again = gather_facts(FactStore(tmp_path / "cache", 25), verified(files))
    assert again.equals(facts)


def test_only_the_images_asked_for_are_told(tmp_path: Path, pictures: list[bytes]) -> None:
    files = lay_down(tmp_path, pictures)
    store = FactStore(tmp_path / "cache", 25)
    gather_facts(store, files)
    assert len(gather_facts(store, files[:3])) == 3
    assert gather_facts(store, []).empty


def test_no_image_at_all_gives_an_empty_table(tmp_path: Path) -> None:
    facts = gather_facts(FactStore(tmp_path / "cache", 25), [])
    assert facts.empty
    assert facts["width"].dtype == float


def test_what_is_no_image_has_a_problem_and_what_is_too_large_a_size(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("1", (2000, 1000)).save(large)
    files = lay_down(tmp_path, [b"text", large.read_bytes()])
    facts = gather_facts(FactStore(tmp_path / "cache", 1.0), files).set_index("sha256")
    text, wide = (facts.loc[sha256] for sha256, _, _ in files)
    assert "not a JPEG" in text["problem"]
    assert wide["width"] == 2000
    assert wide.isna()[["problem", "contrast"]].all()


@pytest.mark.parametrize("is_known", [True, False])
def test_file_with_other_bytes_than_its_hash_is_named(
    tmp_path: Path, pictures: list[bytes], is_known: bool
) -> None:
    files = lay_down(tmp_path, pictures[:3])
    store = FactStore(tmp_path / "cache", 25)
    if is_known:
        gather_facts(store, files)
    content = bytearray(files[1][1].read_bytes())
    content[-1] ^= 1
    files[1][1].write_bytes(content)
    with pytest.raises(CorruptFileError, match=files[1][0]):
        gather_facts(store, files)


def test_damaged_cache_is_dropped_said_and_made_anew(
    tmp_path: Path, pictures: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    files = lay_down(tmp_path, pictures)
    store = FactStore(tmp_path / "cache", 25)
    facts = gather_facts(store, files)
    part = next(store.folder.iterdir())
    part.write_bytes(part.read_bytes()[:-30])
    (store.folder / ".000001.parquet.99.tmp").write_bytes(b"half")
    with caplog.at_level(logging.WARNING):
        again = gather_facts(FactStore(tmp_path / "cache", 25), files)
    assert again.equals(facts)
    assert "damaged" in caplog.text
    assert not list(store.folder.glob(".*.tmp"))


def test_another_limit_of_size_measures_anew(tmp_path: Path, pictures: list[bytes]) -> None:
    files = lay_down(tmp_path, pictures[:1])
    gather_facts(FactStore(tmp_path / "cache", 25), files)
    facts = gather_facts(FactStore(tmp_path / "cache", 0.001), files)
    assert facts["contrast"].isna().all()

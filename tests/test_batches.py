from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.batches import (
    Batch,
    data_version,
    hash_batch,
    hash_tables,
    read_batches,
    read_images,
    read_items,
    read_ratings,
    verify_batch,
    write_batches,
)
from components.errors import CorruptFileError
from components.files import hash_file, write_json, write_parquet
from components.paths import Workspace

SHA = "ab" * 32
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)


def ratings_of(*rows: tuple[str, str, float, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"])


def items_of(*rows: tuple[str, list[str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["item_id", "images"])
    return frame.assign(title="", category="")


def write_batch(folder: Path) -> Path:
    image = folder / "images" / "x.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"an image")
    sha = hash_file(image)
    image = image.rename(image.with_name(f"{sha}.jpg"))
    write_parquet(folder / "ratings.parquet", ratings_of(("u", "i", 4.0, 10)))
    write_parquet(folder / "items.parquet", items_of(("i", [sha])))
    rows = [{"sha256": sha, "file": image.name, "source": "x.jpg", "bytes": 8}]
    write_parquet(folder / "images.parquet", pd.DataFrame(rows))
    return folder


def test_list_comes_back_in_its_order(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    batches = (Batch("ab" * 8, SHA, 1, 2, 3), Batch("cd" * 8, "cd" * 32, 0, 0, 1, "feedback"))
    write_batches(workspace, batches)
    assert read_batches(workspace) == batches
    assert "ingest" not in workspace.batch_list.read_text()  # as lists were before they said so


def test_list_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_batches(Workspace(tmp_path)) == ()


@pytest.mark.parametrize(
    "line",
    [
        {"id": "../../etc", "sha256": SHA, "items": 0, "images": 0, "ratings": 1},
        {"id": "ab" * 8, "sha256": "ab", "items": 0, "images": 0, "ratings": 1},
        {"id": "ab" * 8, "sha256": SHA, "items": -1, "images": 0, "ratings": 1},
        {"id": "ab" * 8, "sha256": SHA},
        {"id": "ab" * 8, "sha256": SHA, "items": 0, "images": 0, "ratings": 1, "origin": "x"},
        "a text",
    ],
)
def test_broken_list_is_told_with_the_way_back(tmp_path: Path, line: object) -> None:
    workspace = Workspace(tmp_path)
    write_json(workspace.batch_list, {"batches": [line]})
    with pytest.raises(CorruptFileError, match="git checkout"):
        read_batches(workspace)


def test_batch_listed_twice_is_told(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_batches(workspace, (Batch("ab" * 8, SHA, 1, 1, 1),) * 2)
    with pytest.raises(CorruptFileError, match="twice"):
        read_batches(workspace)


def test_data_version_depends_on_the_order() -> None:
    one, other = Batch("ab" * 8, SHA, 1, 2, 3), Batch("cd" * 8, "cd" * 32, 0, 0, 1)
    assert data_version((one, other)) != data_version((other, one))
    assert data_version((one,)) != data_version(())


def test_hash_from_disk_is_the_hash_from_memory(tmp_path: Path) -> None:
    folder = write_batch(tmp_path / "b")
    shas = read_images(folder)["sha256"].tolist()
    rows = ratings_of(("u", "i", 4.0, 10))
    assert hash_batch(folder) == hash_tables(rows, items_of(("i", shas)), shas)


def test_tables_that_are_missing_read_as_empty(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    assert len(read_ratings(tmp_path / "b")) == len(read_items(tmp_path / "b")) == 0
    assert hash_batch(tmp_path / "b") == hash_tables(pd.DataFrame(), pd.DataFrame(), [])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4, unique=True), st.data())
def test_hash_tells_any_two_tables_apart(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    others = data.draw(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
    one = ratings_of(*((user, item, 1.0, 1) for user, item in rows))
    other = ratings_of(*((user, item, 1.0, 1) for user, item in others))
    same = hash_tables(one, pd.DataFrame(), []) == hash_tables(other, pd.DataFrame(), [])
    assert same == (rows == others)


def test_hash_does_not_tell_the_two_zeros_apart() -> None:
    one, other = ratings_of(("u", "i", 0.0, 1)), ratings_of(("u", "i", -0.0, 1))
    assert np.signbit(other["rating"][0])
    assert hash_tables(one, pd.DataFrame(), []) == hash_tables(other, pd.DataFrame(), [])


def test_flipped_image_is_named(tmp_path: Path) -> None:
    folder = write_batch(tmp_path / "b")
    image = next((folder / "images").iterdir())
    image.write_bytes(b"an imagf")
    with pytest.raises(CorruptFileError, match=f"{image.name} is changed"):
        hash_batch(folder)


def test_missing_and_unlisted_images_are_named(tmp_path: Path) -> None:
    folder = write_batch(tmp_path / "b")
    (folder / "images" / "more.jpg").write_bytes(b"x")
    with pytest.raises(CorruptFileError, match=r"more\.jpg is not listed"):
        hash_batch(folder)
    for image in (folder / "images").iterdir():
        image.unlink()
    with pytest.raises(CorruptFileError, match="is missing"):
        hash_batch(folder)


def test_changed_row_and_missing_folder_are_told_with_the_next_command(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    sha = hash_batch(write_batch(tmp_path / "draft"))
    batch = Batch(sha[:16], sha, 1, 1, 1)
    with pytest.raises(CorruptFileError, match="is missing; 'beholder fetch"):
        verify_batch(workspace, batch)
    workspace.batches.mkdir(parents=True)
    folder = (tmp_path / "draft").rename(workspace.batches / batch.id)
    verify_batch(workspace, batch)
    write_parquet(folder / "ratings.parquet", ratings_of(("u", "i", 4.5, 10)))
    with pytest.raises(CorruptFileError, match=r"has the hash .* 'beholder fetch"):
        verify_batch(workspace, batch)

"""What training reads."""

import numpy as np
import pytest

from components.errors import CorruptFileError, DataError
from components.files import read_parquet, write_parquet
from components.paths import Workspace
from components.training.inputs import (
    read_catalogue,
    read_input_digests,
    read_ratings,
    read_vectors,
)


def test_item_with_several_images_gets_their_mean(workspace: Workspace) -> None:
    path = workspace.accepted / "items.parquet"
    items = read_parquet(path)
    both = [items["images"][0][0], items["images"][1][0]]
    items["images"] = [both, *items["images"][1:]]
    write_parquet(path, items)
    vectors = read_vectors(workspace)
    rows = [vectors.sha256s.index(sha256) for sha256 in both]
    catalogue = read_catalogue(workspace, vectors)
    np.testing.assert_array_equal(catalogue.embeddings_IE[0], vectors.vectors_NE[rows].mean(0))


def test_item_without_image_is_zeros_and_flagged(workspace: Workspace) -> None:
    catalogue = read_catalogue(workspace, read_vectors(workspace))
    assert not catalogue.has_image_I[-1]
    assert not catalogue.embeddings_IE[-1].any()
    assert catalogue.has_image_I[:-1].all()


def test_image_without_embedding_names_the_step_to_run(workspace: Workspace) -> None:
    images = read_parquet(workspace.embeddings / "images.parquet")
    write_parquet(workspace.embeddings / "images.parquet", images.assign(sha256="0" * 64))
    with pytest.raises(DataError, match="dvc repro embed"):
        read_catalogue(workspace, read_vectors(workspace))


def test_vectors_that_do_not_fit_their_images_are_refused(workspace: Workspace) -> None:
    images = read_parquet(workspace.embeddings / "images.parquet")
    write_parquet(workspace.embeddings / "images.parquet", images[1:])
    with pytest.raises(CorruptFileError, match="23 rows for 22 images"):
        read_vectors(workspace)


def test_truncated_vectors_are_refused(workspace: Workspace) -> None:
    path = workspace.embeddings / "vectors.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CorruptFileError, match="dvc repro embed"):
        read_vectors(workspace)


def test_no_rating_is_an_error(workspace: Workspace) -> None:
    path = workspace.split / "train.parquet"
    write_parquet(path, read_parquet(path)[:0])
    with pytest.raises(DataError, match="nothing to learn from"):
        read_ratings(workspace, split=True)


def test_digests_change_with_the_ratings_and_name_the_code(workspace: Workspace) -> None:
    before = read_input_digests(workspace, "train", split=True)
    workspace.code.write_text("train: abc\nrefit: def\n")
    path = workspace.split / "train.parquet"
    write_parquet(path, read_parquet(path)[1:])
    after = read_input_digests(workspace, "train", split=True)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"ratings", "code"}
    assert after["code"] == "abc"

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from components.errors import CorruptFileError
from components.models.mapped import map_floats

SEEN = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.safetensors"
    save_file({"b": SEEN, "a": np.ones(3, bool), "none": SEEN[:0]}, path)
    return path


def test_tensor_is_read_where_it_lies_and_cannot_be_written(file: Path) -> None:
    found = map_floats(file, "b")
    np.testing.assert_array_equal(found, SEEN)
    assert type(found) is np.ndarray
    assert found.flags.aligned
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_tensor_outlives_its_file(file: Path) -> None:
    found = map_floats(file, "b")
    file.unlink()
    np.testing.assert_array_equal(found, SEEN)


def test_tensor_without_rows_is_empty(file: Path) -> None:
    assert map_floats(file, "none").shape == (0, 3)


@pytest.mark.parametrize(
    ("content", "name"),
    [(None, "c"), (None, "a"), (b"", "b"), (b"x" * 40, "b"), (b"\2\0\0\0\0\0\0\0{}", "b")],
)
def test_something_else_is_corrupt(file: Path, content: bytes | None, name: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CorruptFileError, match=str(file)):
        map_floats(file, name)


def test_file_cut_short_is_corrupt(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(CorruptFileError, match="holds no tensor 'b'"):
        map_floats(file, "b")

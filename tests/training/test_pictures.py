"""Images as training reads them."""

import io
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.errors import CorruptFileError
from components.files import write_parquet
from components.paths import Workspace
from components.settings import Settings
from components.training.pictures import Pictures

FOLDER = "data/raw/batches/0123456789abcdef/images"


def accept(root: Path, size: tuple[int, int], name: str = "PNG") -> tuple[Pictures, str]:
    """Return the pictures of a workspace that accepted one image, and its sha256."""
    generator = np.random.default_rng(0)
    blocks = Image.fromarray(generator.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    blocks.resize(size, Image.Resampling.BICUBIC).save(buffer, name)
    sha = sha256(buffer.getvalue()).hexdigest()
    path = root / FOLDER / f"{sha}.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(buffer.getvalue())
    workspace = Workspace(root)
    images = pd.DataFrame({"sha256": [sha], "path": [f"{FOLDER}/{sha}.png"]})
    write_parquet(workspace.accepted / "images.parquet", images)
    return Pictures.of(workspace, Settings(threads=2)), sha


def thumbnails(pictures: Pictures) -> list[Path]:
    return [p for p in (pictures.workspace.cache / "thumbnails").rglob("*") if p.is_file()]


def test_small_image_is_read_as_it_is_and_not_kept_twice(tmp_path: Path) -> None:
    pictures, sha = accept(tmp_path, (90, 60))
    np.testing.assert_array_equal(pictures.read_small(sha, 60), pictures.read(sha))
    assert not thumbnails(pictures)


def test_large_image_is_made_smaller_once_and_looks_the_same(tmp_path: Path) -> None:
    pictures, sha = accept(tmp_path, (300, 200))
    first = pictures.read_small(sha, 50)
    assert first.size == (75, 50)
    whole = np.asarray(pictures.read(sha).resize((75, 50), Image.Resampling.LANCZOS), np.int64)
    assert np.abs(np.asarray(first, np.int64) - whole).mean() < 5
    (kept,) = thumbnails(pictures)
    before = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(pictures.read_small(sha, 50), first)
    assert kept.stat().st_mtime_ns == before


def test_kept_picture_is_the_one_that_is_made_where_none_is_kept(tmp_path: Path) -> None:
    pictures, sha = accept(tmp_path, (300, 200))
    first = pictures.read_small(sha, 50)
    (kept,) = thumbnails(pictures)
    kept.unlink()
    np.testing.assert_array_equal(pictures.read_small(sha, 50), first)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b[:50] + b"x" + b[51:], lambda b: b""]
)
def test_damaged_copy_is_made_again(
    tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    pictures, sha = accept(tmp_path, (300, 200))
    first = pictures.read_small(sha, 50)
    (kept,) = thumbnails(pictures)
    content = kept.read_bytes()
    kept.write_bytes(damage(content))  # type: ignore[operator]
    np.testing.assert_array_equal(pictures.read_small(sha, 50), first)
    assert kept.read_bytes() == content
    assert "thumbnail damaged" in caplog.text


def test_each_side_has_its_own_copies(tmp_path: Path) -> None:
    pictures, sha = accept(tmp_path, (300, 200))
    assert pictures.read_small(sha, 50).size == (75, 50)
    assert pictures.read_small(sha, 100).size == (150, 100)


def test_missing_image_names_the_command_that_brings_it_back(tmp_path: Path) -> None:
    pictures, sha = accept(tmp_path, (30, 20))
    (tmp_path / pictures.files[sha]).unlink()
    with pytest.raises(CorruptFileError, match="beholder fetch 0123456789abcdef"):
        pictures.read(sha)


def test_changed_image_is_refused(tmp_path: Path) -> None:
    pictures, sha = accept(tmp_path, (30, 20))
    path = tmp_path / pictures.files[sha]
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CorruptFileError, match="does not have the sha256"):
        pictures.read_small(sha, 10)

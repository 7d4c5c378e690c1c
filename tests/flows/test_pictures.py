import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.files import read_parquet, write_parquet
from components.packaging.pointer import Place
from components.packaging.release import BUNDLE
from components.paths import Workspace
from components.pictures import first_images, has_copies, picture_file
from flows.pictures import make_pictures


@pytest.fixture
def place(make_trainable: Callable[..., None], tmp_path: Path) -> tuple[Workspace, Place]:
    """A workspace with pictures, and the part of a Bento that names them."""
    make_trainable(tmp_path / "work")
    workspace, bento = Workspace(tmp_path / "work"), tmp_path / "bento"
    items = read_parquet(workspace.accepted / "items.parquet")
    write_parquet(bento / BUNDLE / "items.parquet", items)
    return workspace, Place(str(bento), "0" * 64)


def hashes(workspace: Workspace) -> list[str]:
    images = read_parquet(workspace.accepted / "items.parquet")["images"].tolist()
    return [sha256 for sha256 in first_images(images) if sha256 is not None]


def test_every_picture_is_copied_once(place: tuple[Workspace, Place]):
    workspace, bento = place
    folder = make_pictures(workspace, bento)
    assert all(has_copies(folder, sha256) for sha256 in hashes(workspace))
    first = picture_file(folder, 160, hashes(workspace)[0])
    before = first.stat().st_mtime_ns
    picture_file(folder, 320, hashes(workspace)[1]).unlink()
    make_pictures(workspace, bento)
    assert first.stat().st_mtime_ns == before
    assert has_copies(folder, hashes(workspace)[1])


def test_picture_that_is_gone_or_damaged_is_left_out(
    place: tuple[Workspace, Place], caplog: pytest.LogCaptureFixture
):
    workspace, bento = place
    images = read_parquet(workspace.accepted / "images.parquet")
    (workspace.root / images["path"].iloc[0]).unlink()
    (workspace.root / images["path"].iloc[1]).write_bytes(b"damaged")
    folder = make_pictures(workspace, bento)
    left_out = set(images["sha256"].iloc[:2])
    assert {name for name in hashes(workspace) if not has_copies(folder, name)} == left_out
    assert caplog.text.count("picture left out") == 2


def test_workspace_whose_tables_are_gone_makes_none(place: tuple[Workspace, Place]):
    workspace, bento = place
    shutil.rmtree(workspace.accepted)
    assert not make_pictures(workspace, bento).exists()

"""Checkpoints, whole and broken."""

import logging
from pathlib import Path

import pytest
import torch

from components.training.checkpoints import Checkpoint, Checkpoints


def save(checkpoints: Checkpoints, *epochs: int) -> None:
    for epoch in epochs:
        checkpoints.save(Checkpoint(epoch, {"weight": torch.full((3,), epoch)}, {"seen": epoch}))


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "search", every_seconds=0)


def test_newest_comes_back_whole(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1, 2)
    loaded = checkpoints.load()
    assert loaded is not None
    assert (loaded.epoch, loaded.facts) == (2, {"seen": 2})
    assert loaded.tensors["weight"].tolist() == [2, 2, 2]


def test_last_two_are_kept(checkpoints: Checkpoints, tmp_path: Path) -> None:
    save(checkpoints, 8, 9, 10, 11)
    names = sorted(path.name for path in (tmp_path / "search").iterdir())
    assert names == [f"epoch-0000{n}.{end}" for n in (10, 11) for end in ("json", "safetensors")]


def test_nothing_saved_is_none(checkpoints: Checkpoints) -> None:
    assert checkpoints.load() is None


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove", "empty_json", "half_json"])
def test_broken_one_falls_back_to_the_one_before_and_says_so(
    checkpoints: Checkpoints, tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(checkpoints, 1, 2)
    tensors = tmp_path / "search/epoch-000002.safetensors"
    content = bytearray(tensors.read_bytes())
    if harm == "truncate":
        tensors.write_bytes(content[:-5])
    elif harm == "flip":
        content[-1] ^= 1
        tensors.write_bytes(content)
    elif harm == "remove":
        tensors.unlink()
    else:
        text = "" if harm == "empty_json" else '{"epoch": 2}'
        tensors.with_suffix(".json").write_text(text)
    with caplog.at_level(logging.WARNING):
        loaded = checkpoints.load()
    assert loaded is not None
    assert loaded.epoch == 1
    assert "trying the one before" in caplog.text


def test_both_broken_is_none(checkpoints: Checkpoints, tmp_path: Path) -> None:
    save(checkpoints, 1, 2)
    for path in (tmp_path / "search").glob("*.safetensors"):
        path.write_bytes(b"")
    assert checkpoints.load() is None


def test_is_due_only_after_its_seconds(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, every_seconds=0).is_due()
    assert not Checkpoints(tmp_path, every_seconds=1000).is_due()

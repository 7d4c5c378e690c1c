"""The history as it happens."""

import json
from pathlib import Path

from components.training.live_history import Epoch, LiveHistory


def lines(path: Path) -> list[tuple[str, int]]:
    parsed = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["phase"], line["epoch"]) for line in parsed]


def test_each_epoch_is_a_line_at_once(tmp_path: Path) -> None:
    live = LiveHistory(tmp_path / "run/train.jsonl")
    live.restart("search", [])
    live.append(Epoch("search", 1, 0.9, 1.0))
    live.append(Epoch("search", 2, 0.8, None))
    text = (tmp_path / "run/train.jsonl").read_text().splitlines()
    assert json.loads(text[1]) == {"phase": "search", "epoch": 2, "train_rmse": 0.8, "rmse": None}


def test_after_a_resume_known_epochs_stand_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    live = LiveHistory(path)
    epochs = [Epoch("search", n, 1.0, 1.0) for n in (1, 2, 3)]
    live.restart("search", [])
    for epoch in epochs:
        live.append(epoch)
    live.restart("search", epochs[:2])
    live.append(epochs[2])
    assert lines(path) == [("search", 1), ("search", 2), ("search", 3)]


def test_later_phase_keeps_earlier_ones_and_drops_its_own(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    live = LiveHistory(path)
    live.restart("search", [Epoch("search", 1, 1.0, 1.0)])
    live.restart("evaluation", [Epoch("evaluation", 1, 1.0, None)])
    live.restart("evaluation", [])
    assert lines(path) == [("search", 1)]


def test_line_cut_short_by_a_kill_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    live = LiveHistory(path)
    live.restart("search", [Epoch("search", 1, 1.0, 1.0)])
    with path.open("a") as file:
        file.write('{"phase": "sea')
    live.restart("evaluation", [])
    assert lines(path) == [("search", 1)]

from pathlib import Path

import pytest

from components.costs import StepCost, measure_process, read_cost, write_cost
from components.errors import CorruptFileError
from components.files import write_json
from components.paths import Workspace


def test_process_knows_what_it_held_at_most():
    before = measure_process()
    assert before.device == "cpu"
    assert before.memory_mb is not None
    held = bytearray(64_000_000)
    held[::4096] = b"x" * len(held[::4096])  # touched, so that it is really there
    after = measure_process().memory_mb
    del held
    assert after is not None
    assert measure_process().memory_mb == pytest.approx(after, abs=1)
    assert after >= 64


def test_cost_is_read_as_it_was_written(tmp_path: Path):
    cost = StepCost(812.5, "NVIDIA H100", 1024.0)
    write_cost(Workspace(tmp_path), "train", cost)
    assert read_cost(Workspace(tmp_path), "train") == cost


def test_step_that_told_nothing_has_no_cost(tmp_path: Path):
    assert read_cost(Workspace(tmp_path), "train") is None


def test_cost_of_another_shape_is_told(tmp_path: Path):
    write_json(Workspace(tmp_path).step_cost("train"), {"seconds": 3})
    with pytest.raises(CorruptFileError, match="no cost of a step"):
        read_cost(Workspace(tmp_path), "train")

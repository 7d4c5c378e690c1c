"""What the benchmark of orchestration makes of what processes told."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.orchestration import CLOCK, account, find_share

MAIN = 7


def process(began: float, ended: float, *arguments: str, pid: int = 1) -> dict[str, Any]:
    return {"arguments": arguments, "pid": pid, "began": began, "ended": ended, "cpu": 0.5}


def step(name: str, began: float, ended: float) -> dict[str, Any]:
    return {"step": name, "began": began, "ended": ended}


def test_every_second_is_in_one_part():
    told = [
        step("prefect", 101.0, 103.0),
        process(104.0, 105.0, "-m", "dvc", "status"),
        process(106.5, 115.5, "-m", "components", "train"),
        process(106.0, 116.0, "-m", "dvc", "repro"),
        step("train", 106.0, 116.0),
        step("trial", 116.0, 119.0),
        process(100.0, 120.0, "/bin/beholder", "retrain", pid=MAIN),
    ]
    told = [json.loads(json.dumps(one)) for one in told]
    found = account(told, MAIN, 100.0, 121.0)
    assert found["wall"] == pytest.approx(
        {"start": 1, "prefect": 2, "steps": 9, "judging": 3, "dvc": 2, "rest": 4, "all": 21}
    )
    assert found["cpu"] == {"steps": 0.5, "dvc": 1.0, "command": 0.5}
    assert find_share(found) == pytest.approx((9 / 21, 12 / 21))


def test_command_that_shows_no_step_is_all_start():
    found = account([], MAIN, 100.0, 102.0)["wall"]
    assert (found["start"], found["rest"], found["all"]) == pytest.approx((2.0, 0.0, 2.0))


def test_process_tells_what_it_took_as_it_ends(tmp_path: Path):
    clock = tmp_path / "clock.jsonl"
    code = "sum(range(10**7))"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(CLOCK), "BENCHMARK_CLOCK": str(clock)},
    )
    assert child.wait() == 0
    (told,) = [json.loads(line) for line in clock.read_text().splitlines()]
    assert (told["arguments"], told["pid"]) == (["-c", code], child.pid)
    assert 0 < told["cpu"] <= told["ended"] - told["began"] + 0.05

"""What orchestration costs: a retraining with nothing to do, and its share of a real one.

    python benchmarks/orchestration.py DATA [--rounds 5] [--cold 3] [--keep DIR]

DATA holds items.csv, images/ and ratings.csv; the newest 1 % of the ratings and the last 20 items
with an image are held back, and come in as a second batch. All is measured at `beholder retrain` as
a person calls it, from the start of its process to its end:

- first, the first one of a new workspace, and grown, the one after the second batch;
- warm, with nothing to do, while the stack runs; cold, while nothing runs: it starts Prefect.

With --keep the workspace stays, and a second call goes on there after the first retraining. Every
Python process tells what it took as it ends (benchmarks/clock), servers that live on do not.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.pipeline import hold_back

CLOCK = Path(__file__).parent / "clock"
BEHOLDER = str(Path(sys.executable).with_name("beholder"))
# What the command does itself that is no orchestration: making and judging the release.
JUDGING = ("package", "trial", "compare", "gate")
PARTS = {
    "start": "until the first step: interpreter, imports, reading the workspace",
    "prefect": "finding Prefect, or starting it",
    "steps": "the steps' own processes, interpreters included",
    "dvc": "DVC, without the steps that it runs",
    "judging": "package, trial, compare, gate",
    "rest": "Prefect's flow and tasks, MLflow, and all else",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="with nothing to do, stack running")
    parser.add_argument("--cold", type=int, default=3, help="with nothing to do, nothing running")
    parser.add_argument("--keep", type=Path, help="a workspace that stays, or stayed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="beholder-benchmark-") as scratch:
        root = (arguments.keep or Path(scratch) / "workspace").resolve()
        tables = Path(scratch) / "tables"
        hold_back(arguments.data, tables)
        found: dict[str, list[dict[str, Any]]] = {}
        if not root.exists():
            beholder("init", str(root))
            ingest(root, arguments.data, tables, "")
        if not (root / "models/served").exists():
            found["first"] = [measure(root)]
        beholder("down", "-w", str(root))
        found["cold"] = [measure_cold(root) for _ in range(arguments.cold)]
        beholder("up", "-w", str(root))
        measure(root)
        found["warm"] = [measure(root) for _ in range(arguments.rounds)]
        beholder("down", "-w", str(root))
        ingest(root, arguments.data, tables, "late_")
        found["grown"] = [measure(root)]
        beholder("down", "-w", str(root))
    tell(found)


def beholder(*arguments: str) -> None:
    subprocess.run([BEHOLDER, *arguments], check=True, stdin=subprocess.DEVNULL)


def ingest(root: Path, data: Path, tables: Path, prefix: str) -> None:
    names = ("--items", "items.csv"), ("--ratings", "ratings.csv")
    given = [part for option, name in names for part in (option, str(tables / f"{prefix}{name}"))]
    beholder("ingest", "-w", str(root), "--images", str(data / "images"), *given)


def measure_cold(root: Path) -> dict[str, Any]:
    found = measure(root)
    beholder("down", "-w", str(root))
    return found


def measure(root: Path) -> dict[str, Any]:
    """Call `beholder retrain`, and return the seconds of its parts: of the clock and of the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder) / "clock.jsonl"
        environment = {**os.environ, "PYTHONPATH": str(CLOCK), "BENCHMARK_CLOCK": str(clock)}
        began = time.time()
        process = subprocess.Popen([BEHOLDER, "retrain", "-w", str(root)], env=environment)
        _, status, used = os.wait4(process.pid, 0)
        ended = time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"'beholder retrain' ended with {process.returncode}")
        told = [json.loads(line) for line in clock.read_text().splitlines()]
    found = account(told, process.pid, began, ended)
    found["cpu"]["all"] = used.ru_utime + used.ru_stime
    print(json.dumps(found), flush=True)
    return found


def account(
    told: Iterable[Mapping[str, Any]], main_pid: int, began: float, ended: float
) -> dict[str, Any]:
    """Return `wall` and `cpu` seconds of each part, and of `all`, from what processes told."""
    told = list(told)
    processes = [one for one in told if "arguments" in one]
    steps = [one for one in told if "step" in one]
    own = [one for one in processes if is_step(one["arguments"])]
    dvc = [one for one in processes if is_dvc(one["arguments"])]
    wall = {
        "start": min((one["began"] for one in steps), default=ended) - began,
        "prefect": sum(length(one) for one in steps if one["step"] == "prefect"),
        "steps": sum(map(length, own)),
        "judging": sum(length(one) for one in steps if one["step"] in JUDGING),
    }
    wall["dvc"] = sum(map(length, dvc)) - wall["steps"]
    wall["rest"] = (ended - began) - sum(wall.values())
    wall["all"] = ended - began
    cpu = {
        "steps": sum(one["cpu"] for one in own),
        "dvc": sum(one["cpu"] for one in dvc),
        "command": sum(one["cpu"] for one in processes if one["pid"] == main_pid),
    }
    return {"wall": wall, "cpu": cpu, "seen": {one["step"]: round(length(one), 2) for one in steps}}


def length(one: Mapping[str, Any]) -> float:
    return float(one["ended"] - one["began"])


def is_step(arguments: list[str]) -> bool:
    return arguments[:2] == ["-m", "components"]


def is_dvc(arguments: list[str]) -> bool:
    return arguments[:2] == ["-m", "dvc"]


def find_share(found: Mapping[str, Any]) -> tuple[float, float]:
    """Return the share of orchestration by the clock, without and with the judging in it."""
    wall = found["wall"]
    strict = 1 - wall["steps"] / wall["all"]
    return strict - wall["judging"] / wall["all"], strict


def tell(found: Mapping[str, list[dict[str, Any]]]) -> None:
    names = [name for name, runs in found.items() if runs]
    print(f"\n{os.cpu_count()} cores; seconds by the clock, medians of {count(found)}")
    print(f"\n| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for part in (*PARTS, "all"):
        cells = [f"{middle(found[name], 'wall', part):.1f}" for name in names]
        print(f"| {PARTS.get(part, 'all')} | {' | '.join(cells)} |")
    for part, label in (
        ("all", "processor time of all"),
        ("command", "of which the command's own process"),
        ("dvc", "of which DVC"),
        ("steps", "of which the steps"),
    ):
        cells = [f"{middle(found[name], 'cpu', part):.1f}" for name in names]
        print(f"| {label} | {' | '.join(cells)} |")
    for name in names:
        if found[name][0]["wall"]["steps"]:
            share, strict = find_share(found[name][0])
            print(f"{name}: orchestration is {share:.1%} of it, with the judging {strict:.1%}")


def count(found: Mapping[str, list[dict[str, Any]]]) -> str:
    return ", ".join(f"{len(runs)} {name}" for name, runs in found.items())


def middle(runs: list[dict[str, Any]], kind: str, part: str) -> float:
    return statistics.median(one[kind][part] for one in runs)


if __name__ == "__main__":
    main()

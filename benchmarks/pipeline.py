"""Seconds of each step of the main job on a folder of real data: first, again, and after growth.

    python benchmarks/pipeline.py DATA [--strategy global_time|user_time]

DATA holds items.csv, images/ and ratings.csv. The newest 1 % of the ratings and the last 20 items
with an image are held back, and come in as a second batch.
"""

import argparse
import logging
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import yaml

from components.params import load_params
from components.paths import Workspace
from flows.environment import enter
from flows.services import Services

HELD_BACK_ITEMS = 20
HELD_BACK_SHARE = 0.01


class Stopwatch(logging.Handler):
    """Collects the seconds of every step that ends."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.seconds: dict[str, tuple[float, bool]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        step = getattr(record, "step", None)
        if step is not None and getattr(record, "event", "") == "ended":
            self.seconds[step.name] = (step.seconds, step.cached)


@contextmanager
def stopwatch():
    watch = Stopwatch()
    logger = logging.getLogger("flows")
    logger.setLevel(logging.INFO)
    logger.addHandler(watch)
    started = time.monotonic()
    try:
        yield watch
    finally:
        logger.removeHandler(watch)
        watch.seconds["all"] = (time.monotonic() - started, False)


def hold_back(data: Path, folder: Path) -> None:
    """Write the tables of both batches into `folder`."""
    items = pd.read_csv(data / "items.csv", dtype=str, keep_default_na=False)
    ratings = pd.read_csv(data / "ratings.csv", dtype={"user_id": str, "item_id": str})
    late_items = items[~items["item_id"].isin(ratings["item_id"])].tail(HELD_BACK_ITEMS)
    late_ratings = ratings.nlargest(int(HELD_BACK_SHARE * len(ratings)), "timestamp")
    folder.mkdir(parents=True, exist_ok=True)
    items.drop(late_items.index).to_csv(folder / "items.csv", index=False)
    late_items.to_csv(folder / "late_items.csv", index=False)
    ratings.drop(late_ratings.index).to_csv(folder / "ratings.csv", index=False)
    late_ratings.to_csv(folder / "late_ratings.csv", index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--strategy", default="global_time")
    parser.add_argument("--keep", type=Path, help="leave the workspace here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="beholder-benchmark-") as scratch:
        run(arguments.data.resolve(), Path(scratch), arguments.keep, arguments.strategy)


def run(data: Path, scratch: Path, keep: Path | None, strategy: str) -> None:
    from components.data.ingest import ingest
    from components.data.workspace import init_workspace
    from flows.retraining import connect_prefect, run_retrain
    from flows.status import show_status

    tables = scratch / "tables"
    hold_back(data, tables)
    workspace: Workspace = init_workspace(keep or scratch / "workspace")
    content = yaml.safe_load(workspace.params.read_text())
    content["split"]["strategy"] = strategy
    workspace.params.write_text(yaml.safe_dump(content, sort_keys=False))
    enter(workspace)
    params = load_params(workspace.params)
    connect_prefect(workspace)
    watches = {}
    try:
        for name, prefix in (("first", ""), ("again", None), ("grown", "late_")):
            with stopwatch() as watch:
                if prefix is not None:
                    started = time.monotonic()
                    ingest(
                        workspace,
                        params,
                        items=tables / f"{prefix}items.csv",
                        images=data / "images",
                        ratings=tables / f"{prefix}ratings.csv",
                    )
                    watch.seconds["ingest"] = (time.monotonic() - started, False)
                outcome = run_retrain(workspace, name)
                print(f"{name}: {outcome.decision}: {'; '.join(outcome.reasons)}", flush=True)
            watches[name] = watch.seconds
            if name == "first":
                show_status(workspace)
    finally:
        Services(workspace).stop()
    print_table(watches)


def print_table(watches: dict[str, dict[str, tuple[float, bool]]]) -> None:
    print(f"\n| step | {' | '.join(watches)} |\n|---|{'---:|' * len(watches)}")
    names = dict.fromkeys(name for watch in watches.values() for name in watch)
    names["all"] = names.pop("all")
    for name in names:
        cells = []
        for watch in watches.values():
            seconds, cached = watch.get(name, (None, False))
            cells.append("–" if seconds is None else "cached" if cached else f"{seconds:.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

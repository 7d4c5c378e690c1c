"""Simulated visitors whose tastes change, and what the loop makes of it without a hand on it.

    python -m benchmarks.taste_shift [--visits 80] [--plot FILE] [--page FILE]

Draws a small world of art prints, brings a stack up on a workspace of its own and ingests; no
other command is given from there on. Visitors ask the endpoint for lists and rate what they are
shown: first by the tastes that the champion learnt, then a fashion turns them all. The monitor sees
it, asks for a retraining, and the visitors go on with the champion that comes of it. Prints the
RMSE of every stretch; `--page` keeps the monitor's page, with the curve by version.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.data.demo import Demo, draw_demo
from components.data.world import World, item_id, rate, turn_tastes, user_id
from components.files import read_json
from components.monitoring.snapshot import Snapshot, read_last
from components.params import write_values
from components.paths import Workspace
from components.triggering.book import Book, Round
from flows.demo import loosen_images
from serving.client import Beholder, FeedbackEvent

BEHOLDER = str(Path(sys.executable).with_name("beholder"))

_SEED = 5
_SHOWN = 10
_LONGER = 5  # after the change, for tastes of two years are not forgotten in a day
_SECONDS_APART = 600
_POLL_SECONDS = 0.5
_CHUNK = 100
_COLOURS = ("#7a4fa3", "#b4532a", "#2f6f5e")
# Days pass in seconds here, so a look is taken each minute, what is lately is counted in ratings,
# and nobody is made to wait. Feedback by itself asks for nothing: it is the monitor that shall see
# what happens. What is tested on is the newest: a change is not learnt before it fills more than
# that. A busy machine may be slow.
_PARAMS: dict[str, object] = {
    "triggers.wait_seconds": 1,
    "triggers.pause_minutes": 0,
    "triggers.new_ratings": 1_000_000,
    "monitor.schedule": "* * * * *",
    "monitor.ratings": 2_000,
    "split.test_share": 0.1,
    "gate.limits.max_latency_p50_ms": 5000,
    "gate.limits.max_latency_p99_ms": 5000,
}


@dataclass
class Stretch:
    """Visits in a row: by how much otherwise each rating was than its answer said, and by whom."""

    name: str
    errors: list[float] = field(default_factory=list)
    answered_by: list[str] = field(default_factory=list)

    @property
    def versions(self) -> set[str]:
        """Which versions answered."""
        return set(self.answered_by)

    @property
    def rmse(self) -> float:
        """How far off the answers were."""
        return float(np.sqrt(np.mean(np.square(self.errors))))


@dataclass
class Crowd:
    """The visitors of a drawn world in front of an endpoint.

    `clock` is the simulated time of the last visit, in seconds since 1970; `pause` are the real
    seconds between two visits.
    """

    world: World
    clock: int
    rng: np.random.Generator
    pause: float = 0.0

    def visit(self, endpoint: Beholder, name: str, visits: int) -> Stretch:
        """Let visitors ask for a list and rate it by their tastes, one after the other."""
        stretch = Stretch(name)
        shares_U = self.world.activity_U / self.world.activity_U.sum()
        for user in self.rng.choice(len(shares_U), visits, p=shares_U):
            self._visit_once(endpoint, int(user), stretch)
            time.sleep(self.pause)
        return stretch

    def change_tastes(self) -> None:
        """Let every visitor like something else from now on."""
        self.world = turn_tastes(self.world)

    def _visit_once(self, endpoint: Beholder, user: int, stretch: Stretch) -> None:
        answer = endpoint.recommend(user_id(user), k=_SHOWN)
        shown = answer.items
        if not shown:  # there is nothing left that this visitor has not rated
            return
        numbers = {item_id(number): number for number in range(len(self.world.looks))}
        items_N = np.array([numbers[item.item_id] for item in shown])
        given_N = rate(self.world.expect(np.full(len(shown), user), items_N), self.rng)
        self.clock += _SECONDS_APART
        endpoint.feedback.send(
            FeedbackEvent(
                event_id=self.rng.bytes(16).hex(),
                user_id=user_id(user),
                item_id=item.item_id,
                kind="rating",
                value=float(given),
                timestamp=self.clock,
                request_id=answer.request_id,
                version=answer.model.version,
                lineage_id=answer.model.lineage_id,
            )
            for item, given in zip(shown, given_N, strict=True)
        )
        stretch.answered_by += [answer.model.version] * len(shown)
        stretch.errors += [float(g - i.rating) for i, g in zip(shown, given_N, strict=True)]


@dataclass(frozen=True)
class Story:
    """What happened: three stretches of visits, the look after each, and all rounds of triggers.

    `status` is what `beholder status` showed in the end.
    """

    calm: Stretch
    calm_look: Snapshot
    shifted: Stretch
    shifted_look: Snapshot
    after: Stretch
    after_look: Snapshot
    rounds: list[Round]
    status: str


@dataclass(frozen=True)
class Shop:
    """A workspace with its stack, as a person has it."""

    workspace: Workspace
    patience: float

    def run(self, *arguments: str) -> str:
        """Run `beholder ARGUMENTS` there, and return what it printed."""
        apart = ("BEHOLDER_", "MLFLOW_", "PREFECT_")
        return subprocess.run(
            [BEHOLDER, *arguments],
            cwd=self.workspace.root,
            env={name: value for name, value in os.environ.items() if not name.startswith(apart)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=self.patience,
        ).stdout

    def wait(self, what: str, is_so: Callable[[], object]) -> None:
        """Wait for what other processes do; raise TimeoutError if it does not come."""
        deadline = time.monotonic() + self.patience
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {self.patience:.0f} s; {self.rounds()}")
            time.sleep(_POLL_SECONDS)

    def rounds(self) -> list[Round]:
        """Return the rounds that were begun, oldest first."""
        if not self.workspace.triggers.exists():
            return []
        book = Book(self.workspace.triggers)
        try:
            return book.latest(100)[::-1]
        finally:
            book.close()

    def outcomes(self) -> list[str | None]:
        """Return what came of each round; None while it is at work."""
        return [one.outcome for one in self.rounds()]

    def look_again(self) -> Snapshot:
        """Return the first look that was begun after now."""
        now = time.time()
        self.wait("a look", lambda: _is_later(read_last(self.workspace), now))
        look = read_last(self.workspace)
        assert look is not None
        return look

    def find_endpoint(self) -> Beholder:
        """Return the endpoint as soon as it answers."""
        file = self.workspace.run / "services/ports.json"
        self.wait("an endpoint", lambda: "endpoint" in read_json(file))
        endpoint = Beholder(f"http://127.0.0.1:{read_json(file)['endpoint']['port']}")
        self.wait("an endpoint that answers", endpoint.is_ready)
        return endpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=360)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--ratings", type=int, default=8_000)
    parser.add_argument(
        "--visits", type=int, default=80, help="before; five times as many after the change"
    )
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two visits")
    parser.add_argument("--plot", type=Path, help="draw the online RMSE by version here")
    parser.add_argument("--page", type=Path, help="keep the monitor's page here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="beholder-taste-shift-") as scratch:
        size = {"items": arguments.items, "users": arguments.users, "ratings": arguments.ratings}
        drawn = draw_demo(Path(scratch) / "drawn", seed=_SEED, **size)
        shop = open_shop(Path(scratch), patience=1800)
        try:
            story = play(shop, drawn, arguments.visits, arguments.pause)
        finally:
            shop.run("down")
        print_story(story)
        if arguments.page is not None:
            shutil.copy(shop.workspace.monitor / "monitor.html", arguments.page)
        if arguments.plot is not None:
            plot(story, arguments.plot)


def open_shop(folder: Path, patience: float) -> Shop:
    """Make a workspace and bring its stack up on it; nothing is ingested yet."""
    shop = Shop(Workspace(folder / "shop"), patience)
    shop.workspace.root.mkdir()
    shop.run("init", ".")
    loosen_images(shop.workspace.params)
    write_values(shop.workspace.params, _PARAMS)
    shop.run("up")
    return shop


def play(shop: Shop, drawn: Demo, visits: int, pause: float = 0.0) -> Story:
    """Ingest, let visitors come, change their tastes, and wait for what the loop does about it."""
    ingest(shop, drawn)
    endpoint = shop.find_endpoint()
    crowd = Crowd(drawn.world, drawn.world.ends, np.random.default_rng(_SEED), pause)
    calm = crowd.visit(endpoint, "tastes as learnt", visits)
    calm_look = shop.look_again()
    crowd.change_tastes()
    shifted = crowd.visit(endpoint, "tastes changed", _LONGER * visits)
    shifted_look = shop.look_again()
    shop.wait("the new champion in service", lambda: endpoint.model().model.version != "1")
    after = crowd.visit(endpoint, "learnt anew", visits)
    after_look = shop.look_again()
    endpoint.close()
    shop.wait("an answer to whoever asked", lambda: all(shop.outcomes()))
    return Story(
        *(calm, calm_look, shifted, shifted_look, after, after_look),
        rounds=shop.rounds(),
        status=shop.run("status"),
    )


def ingest(shop: Shop, drawn: Demo) -> None:
    """Bring the drawn world in, and wait for the champion that comes of it by itself."""
    shop.run(
        "ingest",
        *("--items", str(drawn.items)),
        *("--images", str(drawn.images)),
        *("--ratings", str(drawn.ratings)),
    )
    shop.wait("the first champion", lambda: "promoted" in shop.outcomes())


def print_story(story: Story) -> None:
    """Print what the endpoint was off by, and what asked for each retraining."""
    for stretch, look in (
        (story.calm, story.calm_look),
        (story.shifted, story.shifted_look),
        (story.after, story.after_look),
    ):
        alarms = ", ".join(alarm.kind for alarm in look.alarms) or "none"
        print(
            f"{stretch.name:<18} version {', '.join(sorted(stretch.versions))}: online RMSE "
            f"{stretch.rmse:.4f} over {len(stretch.errors):,} ratings; alarms: {alarms}"
        )
    for one in story.rounds:
        kinds = ", ".join(sorted({asked.kind for asked in one.asked}))
        print(f"round {one.number} ({kinds}): {one.outcome}, version {one.version}; {one.reason}")


def _is_later(look: Snapshot | None, moment: float) -> bool:
    return look is not None and look.at > moment


def plot(story: Story, file: Path) -> None:
    """Draw the RMSE of every so many ratings in the order of their coming, by version."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    start = 0
    for stretch in (story.calm, story.shifted, story.after):
        axes.axvline(start, color="0.75", linewidth=1, linestyle=":")
        axes.text(start, 1.01, f" {stretch.name}", transform=axes.get_xaxis_transform())
        chunks = np.array_split(stretch.errors, max(1, len(stretch.errors) // _CHUNK))
        ends = start + np.cumsum([len(chunk) for chunk in chunks])
        rmses = [np.sqrt(np.mean(np.square(chunk))) for chunk in chunks]
        by = stretch.answered_by[-1]
        colour = _COLOURS[int(by) % len(_COLOURS)]
        axes.plot(ends, rmses, marker="o", markersize=4, color=colour, label=f"version {by}")
        start = int(ends[-1])
    handles = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    axes.legend(handles.values(), handles.keys(), frameon=False, loc="upper right")
    axes.set(xlabel="ratings of what the endpoint showed", ylabel=f"RMSE of {_CHUNK} ratings")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()

"""What a person sees of a comparison: a line a training, and two tables at the end."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from components.contest.entry import Entry
    from components.contest.table import Contest, Place

_WIDE = 200


class Display:
    """Draws the trainings as they end; the bar of the epochs is the training's own."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @classmethod
    def on_terminal(cls) -> "Display":
        """Draw on stderr."""
        return cls(Console(stderr=True, highlight=False))

    def begin(self, families: Sequence[str], strategy: str, train: int, test: int) -> None:
        """Say who meets on what."""
        self._console.print(
            f"\n{len(families)} families, split by {strategy}: "
            f"{train:,} ratings to learn from, {test:,} to be asked for",
            soft_wrap=True,
        )

    def show(self, family: str, seed: int, entry: "Entry", *, is_new: bool) -> None:
        """Draw one training that has ended, or was done before."""
        from components.pages.words import describe_seconds

        took = describe_seconds(entry.cost.seconds) if is_new else "up to date"
        valid = "" if entry.valid_rmse is None else f"  valid {entry.valid_rmse:.4f}"
        sign = ("✓", "green") if is_new else ("=", "dim")
        line = Text.assemble(
            *("  ", sign, f" {family:<12} seed {seed:<3} {took:>10}"),
            (f"  {entry.epochs:>3} epochs{valid}", "dim"),
        )
        self._console.print(line, soft_wrap=True)


def print_contest(contest: "Contest", page: Path) -> None:
    """Print who predicts best, what lists and training cost, and where the page lies."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE)  # a file has no edge to fold at
    accuracy = _table("", "RMSE", f"{contest.level:.0%} interval", "seeds ±", "to the best other")
    lists = _table(
        *("", "MAE", f"NDCG@{contest.k}", "recall", "MAP", "coverage", "novelty", "diversity")
    )
    costs = _table("", "to train", "epochs", "bundle", "one list", "99th percentile")
    for place in contest.places:
        accuracy.add_row(*_accuracy(place))
        lists.add_row(*_lists(place))
        costs.add_row(*_costs(place))
    console.print()
    console.print(accuracy)
    console.print(
        f"{contest.rows:,} test rows of {contest.users:,} users, static; less is better",
        style="dim",
    )
    for table in (lists, costs):
        console.print()
        console.print(table)
    console.print(f"\n[bold]report[/]  {escape(str(page))}", soft_wrap=True)


def _accuracy(place: "Place") -> Iterator[str]:
    standing = place.standing
    yield f"[bold]{standing.name}[/]"
    yield f"{standing.rmse.value:.4f}"
    yield f"{standing.rmse.low:.4f} – {standing.rmse.high:.4f}"
    yield "" if standing.spread is None else f"{standing.spread:.4f}"
    gain = standing.gain
    yield "" if gain is None else f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"


def _lists(place: "Place") -> Iterator[str]:
    lists = place.lists
    yield f"[bold]{place.standing.name}[/]"
    for value in (place.standing.mae, lists.ndcg, lists.recall, lists.map, lists.coverage):
        yield f"{value:.4f}"
    yield f"{lists.novelty:.1f}"
    yield f"{lists.diversity:.3f}"


def _costs(place: "Place") -> Iterator[str]:
    from components.pages.words import describe_bytes, describe_seconds

    yield f"[bold]{place.standing.name}[/]"
    yield describe_seconds(place.seconds)
    yield str(place.epochs) if place.epochs else ""
    yield describe_bytes(place.bytes)
    yield f"{place.list_ms:.1f} ms"
    yield f"{place.list_ms_p99:.1f} ms"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table

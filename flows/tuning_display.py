"""What a person sees of a search: its space, a line a trial, and the values before and after."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from components.tuning.spaces import Space, Values

if TYPE_CHECKING:
    import pandas as pd

    from components.tuning.choice import Choice
    from components.tuning.search import Limits
    from components.tuning.study import Tried

_SAID = {"pruned": "stopped", "diverged": "diverged"}
_SCALES = {"log": "logarithmic", "linear": "linear", "integer": "whole numbers"}


class Display:
    """Draws the trials as they end; the bar of the epochs is the training's own."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @classmethod
    def on_terminal(cls) -> "Display":
        """Draw on stderr."""
        return cls(Console(stderr=True, highlight=False))

    def begin(
        self,
        family: str,
        space: Space,
        limits: "Limits",
        ratings: "pd.DataFrame",
        tried: "Sequence[Tried]",
    ) -> None:
        """Say what is searched, on what, and for how long."""
        valid = int(ratings["valid"].sum())
        self._say(
            f"\n[bold]{family}[/]  {_count(len(space), 'option')}, up to "
            f"{_count(limits.trials, 'trial')} or {limits.seconds / 60:g} minutes; learnt from "
            f"{len(ratings) - valid:,} ratings, measured on {valid:,} valid ones"
        )
        if tried:
            self._say(f"  goes on after {_count(len(tried), 'trial')}")

    def show(self, trial: "Tried", tried: "Sequence[Tried]") -> None:
        """Draw one trial that has ended, the last of those `tried`."""
        from components.tuning.study import find_best

        best = find_best(tried)
        is_best = best is not None and best.number == trial.number
        result = _SAID[trial.outcome] if trial.rmse is None else f"{trial.rmse:.4f}"
        standing = "" if best is None else f"best {best.rmse:.4f}"
        line = Text.assemble(
            f"  {len(tried):>4}  ",
            (f"{result:>8}", "bold green" if is_best else "" if trial.rmse else "dim"),
            f"  {standing:<11}  {trial.seconds:>6.1f} s  ",
            (describe_values(trial.values), "dim"),
        )
        if self._console.is_terminal:
            self._console.print(line, no_wrap=True, overflow="ellipsis")
        else:
            self._console.print(line, soft_wrap=True)

    def interrupted(self, tried: "Sequence[Tried]") -> None:
        """Say what an interrupt leaves."""
        self._say(f"\n{_count(len(tried), 'trial')} kept; params.yaml is as it was")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def describe_values(values: Values) -> str:
    """Return values as one line."""
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def print_space(family: str, space: Space, present: Values) -> None:
    """Print where each option of a family would be searched."""
    table = _table("option", "now", "from", "to", "scale")
    for name, searched in space.items():
        table.add_row(
            f"families.{family}.{name}",
            *(f"{value:g}" for value in (present[name], searched.low, searched.high)),
            _SCALES[searched.kind],
        )
    console = Console(highlight=False)
    console.print(table)
    console.print("nothing was tried: this is where 'beholder tune' would look", soft_wrap=True)


def print_choice(family: str, space: Space, choice: "Choice", *, is_written: bool) -> None:
    """Print the present values beside the best ones, why they stay or go, and what comes next."""
    console = Console(highlight=False)
    best = choice.best or choice.present
    table = _table("", "before", "after" if is_written else "best tried")
    table.add_row("[bold]RMSE on the valid rows[/]", _rmse(choice.present), _rmse(best))
    for name in space:
        before, after = choice.present.values[name], best.values[name]
        style = "dim" if before == after else ""
        table.add_row(f"families.{family}.{name}", f"{before:g}", f"{after:g}", style=style)
    console.print()
    console.print(table)
    console.print(escape(f"\n{choice.reason}"), soft_wrap=True)
    if is_written:
        console.print(
            "params.yaml holds the best values now; 'beholder retrain' learns with them",
            soft_wrap=True,
        )
    elif choice.is_better:
        console.print(
            f"families.{family} in params.yaml was edited meanwhile, so nothing is written; "
            "'beholder tune' again compares with what stands there now",
            soft_wrap=True,
        )
    else:
        console.print("params.yaml stays as it is", soft_wrap=True)


def print_rest(tried: "Sequence[Tried]", limits: "Limits") -> None:
    """Say how to go on, where the time ended before the trials did, or all are done."""
    done = f"{len(tried)} of {limits.trials} trials"
    said = (
        f"the time ended after {done}; the same command goes on from them"
        if len(tried) < limits.trials
        else f"{done} are done; a higher --trials goes on from them"
    )
    Console(highlight=False).print(said, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if 0 < index < 4 else "left", no_wrap=True)
    return table


def _rmse(trial: "Tried") -> str:
    return "–" if trial.rmse is None else f"{trial.rmse:.4f}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

"""`beholder monitor`: a look at the service, taken or shown again, on one screen."""

import json
from collections.abc import Iterator
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.errors import BeholderError, WorkspaceError
from components.monitoring.alarms import NAMES, UNITS
from components.monitoring.snapshot import Snapshot, read_last
from components.pages.words import describe_moment, name_family
from components.params import load_params
from components.paths import Workspace
from flows.console import show_steps

_DAY = 86_400.0


def look_and_show(workspace: Workspace) -> None:
    """Take a look, and print what it found; raise BeholderError if it failed."""
    from flows.monitoring import NO_CHAMPION
    from flows.releases import find_champion
    from flows.retraining import connect_prefect

    load_params(workspace.params)  # what is wrong here need not wait for a server
    if find_champion(workspace) is None:
        typer.echo(NO_CHAMPION)
        return
    with show_steps():
        connect_prefect(workspace)
        found, says = _run(workspace)
    if found is None:
        typer.echo(says)
    else:
        print_look(Console(highlight=False), found)


def show_last(workspace: Workspace, *, as_json: bool) -> None:
    """Print the last look as it was; raise WorkspaceError where none was taken yet."""
    last = read_last(workspace)
    if last is None:
        raise WorkspaceError("nobody has looked at the service yet; run 'beholder monitor'")
    if as_json:
        typer.echo(json.dumps(last.to_json(), ensure_ascii=False))
        return
    print_look(Console(highlight=False), last)


def _run(workspace: Workspace) -> tuple[Snapshot | None, str]:
    """Run the flow in this process; return its snapshot, or none and why it was skipped."""
    from prefect.client.schemas.objects import State
    from prefect.exceptions import FailedRun

    from flows.monitor_flow import monitor
    from flows.retraining import quiet_root_logger

    quiet_root_logger()
    state: State[Any] = monitor(str(workspace.root), return_state=True)
    ended: Any = state.result(raise_on_failure=False)
    if state.is_completed():
        return (None if ended is None else Snapshot.from_json(ended)), state.message or ""
    if isinstance(ended, Exception) and not isinstance(ended, FailedRun):
        raise ended
    raise BeholderError(state.message or f"the look ended as {state.name}")


def print_look(console: Console, look: Snapshot) -> None:
    """Print a snapshot, on one screen."""
    console.soft_wrap = not console.is_terminal
    console.print(f"look      {describe_moment(look.at)}, over the last {look.days:g} days")
    for line in describe(look):
        console.print(line, soft_wrap=True)
    console.print(_table(look))
    for alarm in look.alarms:
        console.print(f"[red]alarm[/]     {escape(alarm.says)}", soft_wrap=True)
        since = f"since {describe_moment(alarm.since)}; next: {alarm.next}"
        console.print(f"          [dim]{escape(since)}[/]", soft_wrap=True)
    if not look.alarms:
        console.print("[green]no alarm[/]")


def describe(look: Snapshot) -> Iterator[str]:
    """Yield who answers, how, and how far off each version is, a line each."""
    who = look.champion
    parts = [f"version {who.version}", name_family(who.family).lower()]
    parts += [] if who.since is None else [f"champion for {_days(look.at - who.since)}"]
    if who.learnt_until is not None and who.learnt_until < look.at:
        parts.append(f"newest rating learnt {_days(look.at - who.learnt_until)} old")
    yield f"champion  {', '.join(parts)}"
    answers = look.answers
    if answers is None:
        yield "answers   none kept"
    else:
        speed = answers.speed
        lost = f", {look.lost:,} could not be kept" if look.lost else ""
        yield (
            f"answers   {speed.answers:,} to {answers.users:,} users{lost}; p50 "
            f"{speed.p50_ms:.1f} ms, p99 {speed.p99_ms:.1f} ms"
        )
        if answers.cold is not None and answers.fallback is not None:
            paths = ", ".join(f"{count:,} {path}" for path, count in sorted(answers.paths.items()))
            yield (
                f"paths     {paths}: {answers.cold:.1%} cold, {answers.fallback:.1%} with nothing "
                "learnt for the user"
            )
    heard = look.feedback
    if heard is None or heard.lost is None:
        yield "feedback  none that names an answer"
    else:
        yield (
            f"feedback  {heard.named:,} events name an answer; {heard.lost:.1%} of those answers "
            "are not kept"
        )
    for one in look.online:
        promised = "" if one.promised is None else f"; {one.promised.value:.4f} was promised"
        yield (
            f"online    version {one.version}: RMSE {one.rmse.value:.4f} "
            f"({one.rmse.low:.4f} – {one.rmse.high:.4f}) over {one.ratings:,} ratings of "
            f"{one.users:,} users{promised}"
        )


def _table(look: Snapshot) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("check")
    for column in ("measured", "alarm above", "by chance"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for check in look.checks:
        if check.value is None or check.threshold is None or check.p is None:
            table.add_row(NAMES[check.kind], "–", "", "", f"[dim]{escape(check.why)}[/]")
            continue
        value = f"{check.value:.3f}"
        table.add_row(
            NAMES[check.kind],
            f"[red]{value}[/]" if check.state == "alarm" else value,
            f"{check.threshold:.3f}",
            f"{check.p:.2%}",
            f"[dim]{escape(UNITS[check.kind])}[/]",
        )
    table.caption = (
        f"while nothing changes, at most {look.false_alarms:.1%} of looks raise any alarm"
    )
    table.caption_justify = "left"
    return table


def _days(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} days"

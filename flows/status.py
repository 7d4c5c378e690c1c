"""`beholder status`: the data, the champion beside the ladder, and the servers, on one screen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.batches import data_version, read_batches
from components.errors import ParameterError, WorkspaceError
from components.hosts import ask
from components.pages.words import counted
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.registry import Drift, Registry, Version
from components.settings import load_settings
from flows.catalogue_state import read_state
from flows.deploying import find_live
from flows.endpoint import answering_version
from flows.pipeline import find_stale
from flows.pool_state import find_trouble
from flows.releases import COMPARISON_TAG, open_registry
from flows.reviewing import list_ways, read_standings
from flows.servers import WORKER
from flows.services import Services, ServiceState
from flows.status_loop import describe_loop

_SHOWN_BATCHES = 5


def show_status(workspace: Workspace) -> None:
    """Print the status of a workspace."""
    console = Console(highlight=False)
    console.soft_wrap = not console.is_terminal
    console.print(str(workspace.root), style="bold", markup=False, soft_wrap=True)
    services = Services(workspace, load_settings().host)
    mend = "the worker sees to it" if services.is_whole else "run 'beholder retrain'"
    _print_data(console, workspace, mend)
    registry = open_registry(workspace)
    champion = registry.champion()
    _print_champion(console, champion, mend)
    _print_ledger(console, registry)
    try:
        _print_reviews(console, workspace)
    except ParameterError as error:  # no reason not to show the rest
        console.print(f"[red]{escape(str(error))}[/]", soft_wrap=True)
    _print_latest(console, registry, champion)
    for label, says in describe_loop(workspace):
        console.print(f"[bold]{label:<9}[/] {says}", soft_wrap=True)
    _print_catalogue(console, workspace, champion)
    states = services.states()
    for place, line in enumerate(find_trouble(workspace, states)):
        label = "[bold]pool[/]    " if place == 0 else " " * 8
        console.print(f"{label}  [yellow]{escape(line)}[/]", soft_wrap=True)
    _print_servers(console, states, champion)
    _print_foreground(console, workspace)


def _print_data(console: Console, workspace: Workspace, mend: str) -> None:
    batches = read_batches(workspace)
    if not batches:
        console.print("\ndata      nothing yet; run 'beholder ingest'")
        return
    totals = " · ".join(
        f"{sum(getattr(batch, what) for batch in batches):,} {what}"
        for what in ("ratings", "items", "images")
    )
    console.print(f"\n[bold]data[/]      version {data_version(batches)[:12]}: {totals} came in")
    for batch in batches[-_SHOWN_BATCHES:]:
        parts = [counted(batch.ratings, "rating")]
        parts += [counted(batch.items, "item"), counted(batch.images, "image")]
        told = "feedback: " if batch.origin == "feedback" else ""
        console.print(f"          [dim]batch {batch.id}  {told}{', '.join(parts)}[/]")
    stale = find_stale(workspace)
    says = f"out of date from '{stale[0]}' on; {mend}" if stale else "up to date"
    console.print(f"[bold]pipeline[/]  {says}")


def _print_champion(console: Console, champion: Version | None, mend: str) -> None:
    if champion is None:
        console.print(f"[bold]champion[/]  none yet; {mend}")
        return
    label = f"[bold]champion[/]  version {champion.number}"
    if COMPARISON_TAG not in champion.tags:
        console.print(f"{label}, made champion by hand: the gate never compared it")
        return
    comparison = read_comparison(champion)
    lineage = escape(champion.tags.get("beholder.lineage_id", ""))
    console.print(f"{label}, {escape(comparison.candidate.family)}, lineage {lineage}")
    console.print(score_table(comparison))


def _print_ledger(console: Console, registry: Registry) -> None:
    """Print how the champion came to be it, or that nobody knows."""
    drift, position = registry.find_drift(), registry.ledger.read().position
    if drift is not None:
        says, mend = describe_drift(drift)
        console.print(f"          [yellow]{says}; {mend}[/]", soft_wrap=True)
    elif position.found is not None and position.champion is not None:
        number = position.champion
        mend = f"run 'beholder rollback --to {number} --reason …' to try it, or name another"
        says = "[yellow]put there by hand, past the gate"
        console.print(f"          {says}; {mend}[/]", soft_wrap=True)
    elif position.last_move is not None:
        move = position.last_move
        # The gate's reasons, which follow, are numbers that the table above shows.
        why, _, more = move.reason.partition("; ")
        says = f"since {move.time[:19].replace('T', ' ')} UTC by {move.actor}: {why}"
        says += f" ('beholder ledger {move.version}' says it all)" if more else ""
        console.print(f"          [dim]{escape(says)}[/]", soft_wrap=True)
    flaws = registry.ledger.verify()
    if flaws:
        says = f"the ledger is damaged at line {flaws[0].line}; run 'beholder ledger verify'"
        console.print(f"          [red]{says}[/]", soft_wrap=True)


def describe_drift(drift: Drift) -> tuple[str, str]:
    """Return in words that the alias was moved by hand, and the commands that settle it."""
    names = "no version" if drift.alias is None else f"version {drift.alias}"
    last = "no version" if drift.ledger is None else f"version {drift.ledger}"
    says = f"the alias was moved past Beholder: it names {names}, the ledger {last}"
    if drift.ledger is None:
        return says, "run 'beholder retrain' for a champion that the gate has seen"
    back = f"'beholder rollback --to {drift.ledger} --reason …' puts it back"
    keep = "" if drift.alias is None else f", '--to {drift.alias}' tries and keeps the new one"
    return says, f"{back}{keep}"


def read_comparison(version: Version) -> Comparison:
    """Return the comparison that the gate judged a version by.

    Raises WorkspaceError if the version was never compared.
    """
    if COMPARISON_TAG not in version.tags:
        raise WorkspaceError(
            f"version {version.number} was never compared; run 'beholder retrain' for one that is"
        )
    return Comparison.from_json(json.loads(version.tags[COMPARISON_TAG]))


def score_table(comparison: Comparison) -> Table:
    """Return the table of a candidate's RMSE, with its interval by users, beside the ladder's."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(" " * 9 + "model")
    for column in ("RMSE", f"{comparison.level:.0%} interval", "candidate's gain"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, rmse, difference in _scores(comparison):
        table.add_row(
            f"{'':9}{name}",
            f"{rmse.value:.4f}",
            f"{rmse.low:.4f} – {rmse.high:.4f}",
            "" if difference is None else f"{-difference.value:+.4f}",
        )
    table.caption = f"         {comparison.rows:,} test rows of {comparison.users:,} users, static"
    table.caption_justify = "left"
    return table


def _scores(comparison: Comparison) -> Iterator[tuple[str, Any, Any]]:
    family = escape(comparison.candidate.family)
    yield f"[bold]{family}[/]", comparison.candidate.rmse, None
    for name, rung in sorted(comparison.ladder.items(), key=lambda pair: pair[1].score.rmse.value):
        yield name, rung.score.rmse, rung.difference


def _print_latest(console: Console, registry: Registry, champion: Version | None) -> None:
    versions = registry.versions()
    if not versions or (champion is not None and versions[0].number == champion.number):
        return
    latest = versions[0]
    verdict = latest.verdict
    says = "not judged yet; run 'beholder retrain'" if verdict is None else verdict.decision
    console.print(f"[bold]latest[/]    version {latest.number}: {says}")
    for reason in () if verdict is None else verdict.reasons:
        console.print(f"          [dim]{escape(reason)}[/]")


def _print_reviews(console: Console, workspace: Workspace) -> None:
    pending = [standing for _, standing in read_standings(workspace) if standing.is_pending]
    for place, standing in enumerate(pending):
        label = "[bold]review[/]  " if place == 0 else " " * 8
        old = ", of old numbers" if standing.is_stale else ""
        says = f"version {standing.number} {standing.state}{old}"
        console.print(f"{label}  [yellow]{says}[/]; run '{list_ways(standing)[0]}'")


def _print_catalogue(console: Console, workspace: Workspace, champion: Version | None) -> None:
    """Print what is served of the items, and what of them is not served yet."""
    state = None if champion is None else read_state(workspace, champion)
    if state is None:
        return
    console.print(f"[bold]catalogue[/] {state.says()}", soft_wrap=True)
    for says in state.lacks():
        console.print(f"          [yellow]{escape(says)}[/]", soft_wrap=True)


def _print_servers(console: Console, states: list[ServiceState], champion: Version | None) -> None:
    if not states:
        console.print("[bold]servers[/]   none was ever started")
    for place, state in enumerate(states):
        label = "[bold]servers[/] " if place == 0 else " " * 8
        says = state.url if state.healthy else "[dim]not running[/]"
        if state.name == "endpoint" and state.healthy:
            version = answering_version(state.url)
            says += f"  version {version}"
            if champion is None or version != str(champion.number):
                says += "  [yellow]is not the champion; run 'beholder serve --background'[/]"
        if state.name == WORKER and state.healthy and (more := ask_worker(state.url)):
            says += f"  [dim]{escape(more)}[/]"
        console.print(f"{label}  {state.name:<9} {says}")


def ask_worker(url: str) -> str:
    """Return what the worker says beside being well; empty if nothing."""
    try:
        lines = ask(f"{url}/health", timeout=2).text.splitlines()
    except httpx.HTTPError:
        return ""
    return "; ".join(lines[1:])


def _print_foreground(console: Console, workspace: Workspace) -> None:
    """Name the endpoints that run in somebody's terminal."""
    for live in find_live(workspace):
        if not live.is_background:
            version = Path(live.pointer.current.bento).name
            says = f"version {version}, in a terminal (process {live.folder.name})"
            console.print(f"{' ' * 8}  endpoint  {says}")

"""`beholder review list|show`: what awaits a person, and all that a version would change."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.paths import Workspace
from components.promotion.chain import Entry
from components.promotion.comparison import Comparison, Score
from components.promotion.gate import Verdict
from components.promotion.registry import Version
from components.promotion.review import Standing
from components.statistics import Interval
from flows.releases import COMPARISON_TAG, JUDGEMENT_TAG
from flows.reviewing import explain_staleness, list_ways, look, read_standings

_COLOURS = {"awaiting review": "yellow", "approved": "yellow", "champion": "green"}
# What a person may still decide about.
_OPEN = ("awaiting review", "approved", "inconclusive")
# Decided by the verdict that it had then: what came later makes nothing of that old.
_MADE = ("champion", "champion before")


def show_list(workspace: Workspace, *, every: bool, as_json: bool) -> None:
    """Print the versions that a person may decide about, or all; the newest first."""
    found = [
        (version, standing)
        for version, standing in read_standings(workspace)
        if every or is_open(standing)
    ]
    if as_json:
        typer.echo(json.dumps([summarise(*pair) for pair in found], ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.soft_wrap = not console.is_terminal
    if not found:
        console.print("nothing awaits review; 'beholder review list --all' shows every version")
    for version, standing in found:
        for line in draw_line(version, standing):
            console.print(line)


def is_open(standing: Standing) -> bool:
    """Say whether a person may still decide, and nothing newer is champion."""
    is_overtaken = standing.champion is not None and standing.champion > standing.number
    return standing.state in _OPEN and not is_overtaken


def draw_line(version: Version, standing: Standing) -> Iterator[str]:
    """Yield a version's line, and below it the gate's first reason and the next command."""
    colour = _COLOURS.get(standing.state, "dim")
    old = "  [dim]of old numbers[/]" if is_open(standing) and standing.is_stale else ""
    yield f"version {standing.number}  [{colour}]{standing.state}[/]{old}"
    reasons = version.verdict.reasons if version.verdict is not None else ()
    if reasons:
        yield f"  [dim]{escape(reasons[0])}[/]"
    if is_open(standing):
        yield f"  {escape(list_ways(standing)[0])}"


def summarise(version: Version, standing: Standing) -> dict[str, Any]:
    """Return how a version stands, for programs."""
    decided = standing.rejection or standing.approval
    return {
        "version": standing.number,
        "state": standing.state,
        "is_pending": standing.is_pending,
        "is_stale": standing.is_stale and standing.state not in _MADE,
        "champion": standing.champion,
        "judged_beside": standing.judged_beside,
        "evidence": standing.evidence,
        "is_renewed": standing.is_renewed,
        "verdict": standing.verdict,
        "reasons": list(version.verdict.reasons) if version.verdict is not None else [],
        "trial": standing.trial,
        "lineage": version.tags.get("beholder.lineage_id"),
        "run": version.run_id,
        "digest": version.digest,
        "decision": None if decided is None else asdict(decided),
    }


def show_review(workspace: Workspace, number: int, *, as_json: bool) -> None:
    """Print all that a person needs to decide about a version."""
    scene = look(workspace)
    version = scene.registry.version(number)
    standing = scene.stand(version)
    previous = scene.registry.previous()
    told = [entry for entry in scene.chain.entries if entry.version == number]
    if as_json:
        content = {
            **summarise(version, standing),
            "judgement": _read(version, JUDGEMENT_TAG),
            "comparison": _read(version, COMPARISON_TAG),
            "ledger": [asdict(entry) for entry in told],
        }
        typer.echo(json.dumps(content, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.soft_wrap = not console.is_terminal
    for line in draw_head(version, standing):
        console.print(line, soft_wrap=True)
    judgement, comparison = _read(version, JUDGEMENT_TAG), _read(version, COMPARISON_TAG)
    if comparison is not None:
        held = Comparison.from_json(comparison)
        verdict = None if judgement is None else Verdict.from_json(judgement)
        console.print()
        console.print(draw_scores(held))
        if held.champion is not None:
            console.print()
            console.print(draw_slices(held, verdict))
    console.print()
    for line in (*draw_facts(version, standing), *draw_past(told), *draw_next(standing, previous)):
        console.print(line, soft_wrap=True)


def show_page(workspace: Workspace, number: int) -> None:
    """Open the page with pictures, and print where it lies for whoever has no browser here."""
    import webbrowser

    from flows.review_page import make_review_page

    version = look(workspace).registry.version(number)
    with Console(stderr=True).status("drawing the page"):
        path = make_review_page(workspace, version)
    typer.echo(str(path))
    webbrowser.open(path.as_uri())


def _read(version: Version, tag: str) -> Any:
    return json.loads(version.tags[tag]) if tag in version.tags else None


def draw_head(version: Version, standing: Standing) -> Iterator[str]:
    """Yield what the version is, what the gate said and why, and what it was judged beside."""
    colour = _COLOURS.get(standing.state, "bold")
    yield f"[bold]version {standing.number}[/]  [{colour}]{standing.state}[/]"
    verdict = version.verdict
    if verdict is None:
        yield "  the gate has not judged it"
        return
    yield f"[bold]verdict[/]   {verdict.decision}"
    for reason in verdict.reasons:
        yield f"          {escape(reason)}"
    if standing.state in _MADE:
        if beside := tell_judged_beside(standing):
            yield f"[bold]judged[/]    {beside}"
    elif standing.is_stale:
        yield f"[bold]judged[/]    [yellow]{escape(explain_staleness(standing))}[/]"
        if is_open(standing):
            yield "          [yellow]an approval judges it anew, and promotes nothing[/]"
    elif standing.champion is None:
        yield "[bold]judged[/]    by the ladder, for there is no champion"
    else:
        yield f"[bold]judged[/]    beside version {standing.champion}, the champion"


def tell_judged_beside(standing: Standing) -> str | None:
    """Return beside whom the verdict was found that made a version champion; None if untold."""
    beside = (standing.judged_beside or "").partition(" by ")[0]
    if not beside:
        return None
    if beside == "none":
        return "by the ladder, for there was no champion"
    return f"beside version {beside}, the champion then"


def draw_scores(comparison: Comparison) -> Table:
    """Return the table of RMSE: candidate, champion, ladder, each with its interval by users."""
    table = _table("model", "RMSE", f"{comparison.level:.4g} interval", "difference", "")
    rows: list[tuple[str, Score, Interval | None]] = [
        ("candidate", comparison.candidate, None),
        *([] if comparison.champion is None else [_row_of_champion(comparison)]),
        *((name, rung.score, rung.difference) for name, rung in comparison.ladder.items()),
    ]
    for name, score, difference in rows:
        label = f"{name} ({score.family})" if name in ("candidate", "champion") else name
        table.add_row(escape(label), *_numbers(score.rmse), *_difference(difference))
    table.caption = (
        f"{comparison.rows:,} test rows of {comparison.users:,} users, static; a difference is the "
        "candidate's RMSE less the other's"
    )
    table.caption_justify = "left"
    return table


def _row_of_champion(comparison: Comparison) -> tuple[str, Score, Interval | None]:
    assert comparison.champion is not None
    return "champion", comparison.champion, comparison.difference


def draw_slices(comparison: Comparison, verdict: Verdict | None) -> Table:
    """Return the table of the slices: the candidate's RMSE less the champion's."""
    table = _table("slice", "rows", "difference", "interval", "margin")
    states = {} if verdict is None else verdict.slices
    for name, part in comparison.slices.items():
        value, interval = _difference(part.difference)
        table.add_row(escape(name), f"{part.rows:,}", value, interval, states.get(name, "-"))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold")
    for column in others:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _numbers(interval: Interval) -> tuple[str, str]:
    return f"{interval.value:.4f}", f"{interval.low:.4f} – {interval.high:.4f}"


def _difference(interval: Interval | None) -> tuple[str, str]:
    if interval is None:
        return "", ""
    return f"{interval.value:+.4f}", f"{interval.low:+.4f} – {interval.high:+.4f}"


def draw_facts(version: Version, standing: Standing) -> Iterator[str]:
    """Yield the trial, the lineage and where more is written."""
    yield f"[bold]trial[/]     {standing.trial}"
    if standing.bad_numbers is not None:
        yield f"[bold]finite[/]    [red]{escape(standing.bad_numbers)}[/]"
    lineage = version.tags.get("beholder.lineage_id", "unknown")
    data = version.tags.get("beholder.data_version", "unknown")[:12]
    yield f"[bold]lineage[/]   {escape(lineage)}, data {escape(data)}"
    yield f"[bold]run[/]       {escape(version.run_id)} (decision/, evaluation/report.html)"
    if standing.verdict is not None:
        yield f"[bold]page[/]      beholder review show {standing.number} --open"
    if standing.evidence:
        yield f"[bold]numbers[/]   {standing.evidence}"


def draw_past(told: list[Entry]) -> Iterator[str]:
    """Yield what was decided about the version and what became of it, the oldest first."""
    for entry in told:
        if entry.kind in ("decision", "moved", "rollback", "refused"):
            what = entry.evidence["decision"] if entry.kind == "decision" else entry.kind
            when = entry.time[:19].replace("T", " ")
            says = f"{when} UTC  {what} by {entry.actor}: {entry.reason}"
            yield f"[bold]ledger[/]    {escape(says)}"


def draw_next(standing: Standing, previous: Version | None) -> Iterator[str]:
    """Yield the commands by which a person decides, goes back from it, or goes back to it."""
    if standing.state == "champion" and previous is not None:
        yield f"\n  beholder rollback --reason …  [dim]goes back to version {previous.number}[/]"
    elif standing.state == "champion":
        yield "\n  beholder retrain  [dim]looks for a better one; it replaced nobody[/]"
    elif standing.state == "champion before":
        back = f"beholder rollback --to {standing.number} --reason …"
        yield f"\n  {back}  [dim]makes it champion again[/]"
    if standing.state in _OPEN:
        _, approve, reject = list_ways(standing)
        yield f"\n  {escape(approve)}"
        if standing.state != "approved":
            yield f"  {escape(reject)}"

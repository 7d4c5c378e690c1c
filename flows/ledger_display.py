"""`beholder ledger`: the entries for people, for programs, and whether the chain is whole."""

import json
from collections.abc import Iterator
from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape

from components.errors import WorkspaceError
from components.pages.words import counted
from components.paths import Workspace
from components.promotion.chain import Chain, Entry
from flows.releases import open_registry

_SHOWN_FLAWS = 10
_INDENT = 7
_LEAST_WIDTH = 60
_COLOURS = {"moved": "green", "rollback": "yellow", "found": "red", "refused": "red"}


def show_ledger(workspace: Workspace, *, version: int | None, last: int, as_json: bool) -> None:
    """Print the last entries, oldest first: for people, or a JSON object a line."""
    ledger = open_registry(workspace).ledger
    chain = ledger.read()
    entries = select_entries(chain, version, last, is_whole=as_json)
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(asdict(entry), ensure_ascii=False))
        return
    if not entries:
        raise WorkspaceError(explain_nothing(chain, version, ledger.place))
    console = Console(highlight=False)
    is_short = console.is_terminal and version is None
    width = max(console.width, _LEAST_WIDTH) if is_short else None
    for entry in entries:
        for line in draw_entry(entry, width):
            console.print(line, soft_wrap=not console.is_terminal)
    whole = "; 'beholder ledger VERSION' shows reasons whole" if is_short else ""
    console.print(
        f"[dim]{len(entries):,} of {len(chain.entries):,} entries in {escape(ledger.place)}, "
        f"times in UTC{whole}[/]",
        soft_wrap=True,
    )


def explain_nothing(chain: Chain, version: int | None, place: str) -> str:
    """Return why there is nothing to show of a version, or of all, and what to do."""
    known = [entry.version for entry in chain.entries if entry.version is not None]
    if version is None or not known:
        return f"the ledger {place} holds nothing yet; run 'beholder retrain'"
    span = (
        f"versions {min(known)} to {max(known)}" if len(set(known)) > 1 else f"version {known[0]}"
    )
    return (
        f"the ledger {place} tells nothing of version {version}, only of {span}; "
        "'beholder ledger' shows all"
    )


def select_entries(
    chain: Chain, version: int | None, last: int, *, is_whole: bool = False
) -> list[Entry]:
    """Return the last entries, of one version or of all; a move is of the version left, too.

    An announced move of which a later entry tells the end is left out, unless `is_whole`.
    """
    ended = {entry.evidence.get("intent") for entry in chain.entries}
    fitting = [
        entry
        for entry in chain.entries
        if (is_whole or entry.kind != "moving" or entry.sha256 not in ended)
        and (version is None or version in (entry.version, entry.evidence.get("from")))
    ]
    return fitting[-last:]


def draw_entry(entry: Entry, width: int | None = None) -> Iterator[str]:
    """Yield the lines of an entry: what, when and who, and below it why, in a line so wide."""
    colour = _COLOURS.get(entry.kind, "bold")
    when, what = entry.time[:19].replace("T", " "), escape(describe_kind(entry))
    yield f"{entry.number:>5}  [dim]{when}[/]  [{colour}]{what}[/]  [dim]{escape(entry.actor)}[/]"
    if reason := describe_reason(entry):
        shown = reason if width is None else shorten(reason, width - _INDENT)
        yield f"{' ' * _INDENT}[dim]{escape(shown)}[/]"


def describe_kind(entry: Entry) -> str:
    """Return in words what an entry tells."""
    version, left = f"version {entry.version}", entry.evidence.get("from")
    none = "no champion" if entry.version is None else f"champion {version}"
    match entry.kind:
        case "opened" | "kept" | "found":
            return f"{entry.kind}: {none}"
        case "moving" | "moved":
            return f"{entry.kind}: champion {left or 'none'} → {entry.version}"
        case "verdict" | "decision":
            stale = " (of old numbers, so judged anew)" if entry.evidence.get("stale") else ""
            return f"{entry.kind}: {version}, {entry.evidence.get('decision', '?')}{stale}"
        case "rollback":
            return f"rollback: {left} → {entry.version}"
        case "mended":
            return "mended"
        case _:
            return f"{entry.kind}: {version}"


def describe_reason(entry: Entry) -> str:
    """Return why, or what an entry without a reason rests on."""
    if entry.reason:
        return entry.reason
    named = ((name, entry.evidence.get(name)) for name in ("lineage", "digest", "run"))
    return ", ".join(f"{name} {str(value)[:16]}" for name, value in named if value)


def shorten(text: str, length: int = 160) -> str:
    """Return a text of so many characters at most."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def verify_ledger(workspace: Workspace) -> int:
    """Print whether the chain is whole, with every flaw's line; return 1 if it is not, else 0."""
    ledger = open_registry(workspace).ledger
    flaws, chain = ledger.verify(), ledger.read()
    console = Console(highlight=False)
    console.print(escape(ledger.place), style="bold", soft_wrap=True)
    for flaw in flaws[:_SHOWN_FLAWS]:
        console.print(f"  [red]✗[/] line {flaw.line} {escape(flaw.says)}", soft_wrap=True)
    if len(flaws) > _SHOWN_FLAWS:
        console.print(f"    and {len(flaws) - _SHOWN_FLAWS:,} more")
    if flaws:
        console.print("  restore the lines from a backup; what is written since still follows them")
        return 1
    mark = "" if chain.mark is None else f", head {chain.mark.sha256[:16]}"
    entries = counted(len(chain.entries), "entry", "entries")
    console.print(f"  [green]✓[/] {entries}, unbroken{mark}")
    if chain.lines.torn:
        console.print("  [yellow]![/] a line torn by a kill follows; the next entry mends it")
    return 0

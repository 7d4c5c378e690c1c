"""`beholder gc`: says what nothing needs any more, and lets it go when a person agrees."""

import json
import logging
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.errors import BeholderError, WorkspaceError
from components.housekeeping.plan import Plan, choose_versions
from components.locking import hold_lock
from components.pages.words import describe_bytes
from components.paths import Workspace
from components.promotion.registry import CHAMPION, PREVIOUS
from flows.archive import Archive
from flows.deploying import find_live
from flows.garbage import Offer, find_garbage
from flows.reviewing import look

_OPEN = ("awaiting review", "approved")

log = logging.getLogger(__name__)


def collect_and_show(
    workspace: Workspace, *, keep: int, is_agreed: bool, as_json: bool = False
) -> None:
    """Print what would go; let it go where a person agreed before, or does now.

    While something is learnt it prints what would go as things stand, and lets nothing go.
    Raises WorkspaceError if a person agreed before, or if that cannot be said just now.
    """
    console = Console(highlight=False)
    with ExitStack() as held, Archive(workspace) as archive:
        busy = _try_hold(held, workspace)
        plan, offers = _make_plan(archive, keep, busy)
        if as_json:
            waits = None if busy is None else str(busy)
            console.print_json(json.dumps({**plan.to_json(), "waits_for": waits}))
        else:
            print_plan(console, plan)
        if busy is not None:
            _refuse(console, busy, is_agreed=is_agreed, as_json=as_json)
            return
        if not offers or not (is_agreed or _agrees(console, as_json)):
            return
        free(offers)
        if not as_json:
            console.print(f"freed {describe_bytes(plan.size)}")


def _try_hold(held: ExitStack, workspace: Workspace) -> WorkspaceError | None:
    """Take the lock of whoever works here; return why not if somebody does."""
    work = hold_lock(workspace.work_lock, wait_seconds=0, what="the workspace's work")
    try:
        held.enter_context(work)
    except WorkspaceError as busy:
        return busy
    return None


def _make_plan(
    archive: Archive, keep: int, busy: WorkspaceError | None
) -> tuple[Plan, list[Offer]]:
    """Return what stays and what may go; beside a run it is only read, and may not be readable."""
    try:
        kept = choose_kept(archive, keep)
        offers = list(find_garbage(archive, kept))
    except (OSError, BeholderError) as changed:
        if busy is None:
            raise
        raise WorkspaceError(f"{busy}; what may go changes meanwhile") from changed
    return Plan(kept, tuple(offer.piece for offer in offers)), offers


def _refuse(console: Console, busy: WorkspaceError, *, is_agreed: bool, as_json: bool) -> None:
    if is_agreed:
        raise WorkspaceError(f"nothing was freed: {busy}; then run 'beholder gc --yes' again")
    if not as_json:
        console.print(
            f"\nnothing is freed now, and this may change: {busy}", markup=False, soft_wrap=True
        )


def choose_kept(archive: Archive, last: int) -> dict[int, tuple[str, ...]]:
    """Return the versions that stay whole, newest first, each with why."""
    needed: dict[int, list[str]] = {}
    for alias, words in ((CHAMPION, "champion"), (PREVIOUS, "champion before, for a rollback")):
        if alias in archive.aliases:
            needed.setdefault(archive.aliases[alias], []).append(words)
    for endpoint in find_live(archive.workspace):
        name = Path(endpoint.pointer.current.bento).name
        if name.isdigit():
            needed.setdefault(int(name), []).append("answers now")
    scene = look(archive.workspace)
    for version in archive.versions:
        state = scene.stand(version).state
        if state in _OPEN:
            needed.setdefault(version.number, []).append(state)
    return choose_versions([version.number for version in archive.versions], needed, last)


def print_plan(console: Console, plan: Plan) -> None:
    """Print what stays and why, and what would go, by kind."""
    console.print("[bold]stays whole[/]" if plan.kept else "no version yet")
    for number, why in plan.kept.items():
        console.print(f"  version {number}  [dim]{', '.join(why)}[/]", soft_wrap=True)
    console.print("  [dim]all batches, ratings and logs; what every run logged[/]")
    if not plan.pieces:
        console.print("\nnothing else lies about")
        return
    console.print("\n[bold]nothing needs[/]")
    table = Table(box=None, show_header=False, padding=(0, 2))
    for kind in plan.kinds:
        table.add_row(f"{kind.pieces:,}", kind.name, describe_bytes(kind.size), end_section=False)
    table.add_row("", "[bold]together[/]", f"[bold]{describe_bytes(plan.size)}[/]")
    console.print(table)


def _agrees(console: Console, as_json: bool) -> bool:
    if as_json:
        return False
    if not sys.stdin.isatty():
        console.print("nothing was freed; 'beholder gc --yes' frees it")
        return False
    import typer

    return typer.confirm("let it go?")


def free(offers: Iterable[Offer]) -> None:
    """Let pieces go, one after the other; a kill leaves the others for the next time."""
    for offer in offers:
        offer.free()
        log.info("freed kind=%s name=%s bytes=%d", *vars(offer.piece).values())

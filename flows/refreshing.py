"""`beholder catalogue refresh`: what was ingested is served, and what was withdrawn is not."""

from dataclasses import dataclass
from pathlib import Path

from components.batches import read_batches
from components.catalogue.snapshot import Snapshot
from components.errors import ConflictError
from components.models.overlay import read_counts
from components.packaging.pointer import Place
from components.paths import Workspace
from components.promotion.registry import Version
from flows.console import show_steps, step
from flows.deploying import find_place
from flows.endpoint import RollOut, roll_out
from flows.overlays import keep_accepted, require_overlays, sweep_unused
from flows.pipeline import find_stale
from flows.preparing import draw_stages, hold_workspace, require_data
from flows.releases import fetch_bento, open_registry, require_champion

_SHORT = 12


@dataclass(frozen=True)
class Refreshed:
    """What a refresh made for the champion, and what became of the endpoints that run."""

    champion: Version
    place: Place
    rolled_out: RollOut


def refresh_and_show(workspace: Workspace) -> Refreshed:
    """Refresh the catalogue, drawing each step, and print where it answers."""
    with show_steps() as shown:
        refreshed = refresh(workspace)
    for line in describe(refreshed):
        shown.console.print(line, markup=False, soft_wrap=True)
    return refreshed


def refresh(workspace: Workspace) -> Refreshed:
    """Bring the champion's catalogue up to date with what was ingested, wherever it answers.

    New items are served from their images, names follow the tables, and withdrawn items are in no
    list any more. Nothing is learnt. Safe to repeat: a call that was killed is finished by the
    next one. Raises StepFailedError in the step's own words if the data are refused, WorkspaceError
    while something trains here, ConflictError if an endpoint that runs cannot take it up.
    """
    require_data(workspace)
    champion = require_champion(workspace)
    bento = fetch_bento(workspace, champion)
    require_overlays(bento)
    with hold_workspace(workspace):
        snapshot = _accept(workspace)
        with step("catalogue") as now:
            place = find_place(workspace, bento, keep=True)
            now.note = describe_catalogue(place)
    _record(workspace, champion, place, snapshot)
    with step("deploy") as now:
        try:
            rolled_out = roll_out(workspace, start=False)
        except ConflictError as error:
            raise ConflictError(f"the catalogue is refreshed, but not taken up: {error}") from error
        now.note = describe_endpoints(rolled_out)
    sweep_unused(workspace)
    return Refreshed(champion, place, rolled_out)


def describe_catalogue(place: Place) -> str:
    """Return in a line what a release's overlay changes."""
    if place.catalogue is None or place.overlay is None:
        return "as it was learnt"
    counts = read_counts(Path(place.catalogue))
    says = [f"{counts['appended']:,} new", f"{counts['withdrawn']:,} withdrawn"]
    says += [f"{counts['renamed']:,} renamed"] if counts["renamed"] else []
    return f"{place.overlay[:_SHORT]}: {', '.join(says)}"


def describe_endpoints(rolled_out: RollOut) -> str:
    """Return in a line how the endpoints that run took a release up."""
    if not rolled_out.taken:
        return "no endpoint runs"
    return "; ".join(
        f"{taken.endpoint}: {taken.describe()}" if len(rolled_out.taken) > 1 else taken.describe()
        for taken in rolled_out.taken
    )


def describe(refreshed: Refreshed) -> list[str]:
    """Return what came of a refresh, a line each."""
    number = refreshed.champion.number
    lines = [f"\nversion {number}, catalogue {describe_catalogue(refreshed.place)}"]
    if refreshed.rolled_out.url is not None:
        lines.append(f"  answers at {refreshed.rolled_out.url}")
    elif not refreshed.rolled_out.taken:
        lines.append("  it is prepared; 'beholder deploy' or 'beholder serve' starts with it")
    return lines


def _accept(workspace: Workspace) -> Snapshot:
    """Bring `validate` up to date, and keep what it accepted."""
    batches = read_batches(workspace)
    draw_stages(workspace, ["validate"], stale=find_stale(workspace))
    return keep_accepted(workspace, batches)


def _record(workspace: Workspace, champion: Version, place: Place, snapshot: Snapshot) -> None:
    open_registry(workspace).ledger.append_once(
        "refreshed",
        version=champion.number,
        reason=f"catalogue {describe_catalogue(place)}",
        evidence={
            "catalogue": place.overlay,
            "items": snapshot.digest,
            "data_version": snapshot.data_version,
        },
    )

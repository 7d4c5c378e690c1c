"""`beholder catalogue show`: what answers beside what was ingested; nothing is changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from components.batches import data_version, read_batches
from components.catalogue.deriving import find_differences
from components.catalogue.snapshot import find_snapshot, overlay_folder
from components.files import read_json, read_parquet
from components.models.availability import read_available
from components.models.bundle import read_digest
from components.models.overlay import MANIFEST, read_overlay_digest
from components.packaging.release import BUNDLE, LINEAGE, read_release
from components.pages.words import counted
from components.paths import Workspace
from components.promotion.registry import Version
from flows.archive import DATA_VERSION_TAG
from flows.deploying import LiveEndpoint, find_live
from flows.releases import bento_folder, fetch_bento, require_champion

_SHOWN = 10
_SHORT = 12
_REFRESH = "'beholder catalogue refresh'"


@dataclass(frozen=True)
class CatalogueState:
    """What is served of the items: `learnt` by the champion, and what a refresh changed.

    `overlay` is the digest of what a refresh made, None where it made nothing; `is_due` says that
    what was accepted changes something that no refresh has made yet. `waiting` are rows of items,
    by batch, that came after it, `withdrawn_batches` were taken out since; `is_unknown` says that
    data came in and nobody knows what of it is served. `behind` are endpoints that answer from
    another catalogue.
    """

    learnt: int
    appended: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    overlay: str | None = None
    is_due: bool = False
    waiting: tuple[tuple[str, int], ...] = ()
    withdrawn_batches: tuple[str, ...] = ()
    is_unknown: bool = False
    behind: tuple[str, ...] = ()

    def says(self) -> str:
        """Return in a line what the champion's catalogue holds."""
        if not self.appended and not self.renamed and not self.withdrawn:
            return f"{counted(self.learnt, 'item')}, as they were learnt"
        parts = [f"{counted(self.learnt, 'item')} learnt"]
        parts += [f"+{len(self.appended):,} new"] if self.appended else []
        parts += [f"{len(self.renamed):,} renamed"] if self.renamed else []
        parts += [f"−{len(self.withdrawn):,} withdrawn"] if self.withdrawn else []
        return ", ".join(parts)

    def lacks(self) -> Iterator[str]:
        """Yield what is not as it should be, each with the command that mends it."""
        if self.waiting:
            rows = sum(count for _, count in self.waiting)
            waiting = counted(rows, "ingested item is", "ingested items are")
            yield f"{waiting} not in it; run {_REFRESH}"
        if self.is_due:
            yield f"what was accepted since is not in it; run {_REFRESH}"
        if self.withdrawn_batches:
            yield f"batch {self.withdrawn_batches[0]} was taken out since; run {_REFRESH}"
        if self.is_unknown:
            yield f"data came in since; {_REFRESH} takes its items up"
        if self.behind:
            yield f"an endpoint answers from another ({self.behind[0]}); run 'beholder deploy'"


def read_state(workspace: Workspace, champion: Version) -> CatalogueState | None:
    """Return how the champion's catalogue stands; None where its Bento is not on this disk."""
    bento = bento_folder(workspace, champion)
    if not (bento / BUNDLE / "items.parquet").is_file():
        return None
    known = read_parquet(bento / BUNDLE / "items.parquet")
    snapshot, batches = find_snapshot(workspace), read_batches(workspace)
    if snapshot is None:
        is_other = champion.tags.get(DATA_VERSION_TAG) != data_version(batches)
        has_items = any(batch.items for batch in batches)
        return CatalogueState(len(known), is_unknown=is_other and has_items)
    is_newer = read_json(bento / LINEAGE).get("data_version") in snapshot.known
    differences = find_differences(known, snapshot.items(), is_newer=is_newer)
    own = tuple(known["item_id"][~read_available(known)])
    appended, renamed, withdrawn = differences or (known[:0], known[:0], own)
    made = overlay_folder(workspace, snapshot, read_digest(bento / BUNDLE))
    overlay = read_overlay_digest(made) if (made / MANIFEST).is_file() else None
    listed = {batch.id for batch in batches}
    return CatalogueState(
        learnt=len(known),
        appended=tuple(appended["item_id"]),
        renamed=tuple(renamed["item_id"]),
        withdrawn=tuple(withdrawn),
        overlay=overlay,
        is_due=differences is not None and overlay is None,
        waiting=tuple(
            (batch.id, batch.items)
            for batch in batches
            if batch.items and batch.id not in snapshot.batches
        ),
        withdrawn_batches=tuple(one for one in snapshot.batches if one not in listed),
        behind=tuple(
            live.folder.name for live in find_live(workspace) if _is_behind(live, champion, overlay)
        ),
    )


def show_catalogue(workspace: Workspace) -> None:
    """Print what the champion's catalogue holds, and what is not as it should be."""
    champion = require_champion(workspace)
    fetch_bento(workspace, champion)
    state = read_state(workspace, champion)
    assert state is not None, "its Bento was fetched"
    for line in describe(state, champion):
        typer.echo(line)


def describe(state: CatalogueState, champion: Version) -> Iterator[str]:
    """Yield the whole state, a line each."""
    name = "" if state.overlay is None else f", catalogue {state.overlay[:_SHORT]}"
    yield f"version {champion.number}{name}: {state.says()}"
    named = {
        "new, served from images": state.appended,
        "renamed": state.renamed,
        "withdrawn, in no list": state.withdrawn,
    }
    for what, ids in named.items():
        if ids:
            more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
            yield f"  {what}: {', '.join(ids[:_SHOWN])}{more}"
    for batch, rows in state.waiting:
        yield f"  batch {batch}: {counted(rows, 'item waits', 'items wait')}"
    yield from (f"  {says}" for says in state.lacks())


def _is_behind(live: LiveEndpoint, champion: Version, overlay: str | None) -> bool:
    place = live.pointer.current
    answers = read_release(Path(place.bento)).version
    return answers == str(champion.number) and place.overlay != overlay

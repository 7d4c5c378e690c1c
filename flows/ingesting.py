"""`beholder ingest` and `fetch`: a batch comes in, or comes back, and what became of it is said."""

from pathlib import Path

from components.batches import read_batches
from components.pages.words import counted
from components.params import load_params
from components.paths import Workspace
from flows.console import show_steps, step

_SHOWN_REFUSALS = 10


def ingest_and_show(
    workspace: Workspace, *, items: Path | None, images: Path | None, ratings: Path | None
) -> None:
    """Take in one batch and print its counts, its refused rows and the next command."""
    from components.data.ingest import ingest

    with show_steps() as shown, step("ingest") as now:
        params = load_params(workspace.params)
        result = ingest(workspace, params, items=items, images=images, ratings=ratings)
        batch = result.batch
        now.cached = not result.is_new
        now.note = (
            f"batch {batch.id}: {counted(batch.items, 'item')}, "
            f"{counted(batch.images, 'image')}, {counted(batch.ratings, 'rating')}"
        )
    for refusal in result.refused[:_SHOWN_REFUSALS]:
        shown.console.print(f"    refused: {refusal}", markup=False)
    if len(result.refused) > _SHOWN_REFUSALS:
        shown.console.print(f"    … and {len(result.refused) - _SHOWN_REFUSALS:,} more")
    if batch.items and workspace.bentos.is_dir():
        shown.console.print(
            "    next: 'beholder retrain' learns from it; 'beholder catalogue refresh' serves its "
            "items now",
            soft_wrap=True,
        )
    if result.unused_images:
        shown.console.print(
            f"    {counted(result.unused_images, 'image is', 'images are')} named by no item"
        )


def fetch_and_show(workspace: Workspace, batch_id: str | None) -> None:
    """Bring one batch, or every listed one, back where it is missing or damaged."""
    from components.data.versions import fetch_batch

    wanted = [batch.id for batch in read_batches(workspace)] if batch_id is None else [batch_id]
    with show_steps():
        for name in wanted:
            with step("fetch") as now:
                now.cached = not fetch_batch(workspace, name)
                now.note = f"batch {name}"

"""`beholder ingest`: a batch comes in, and what came in is said, refused rows included."""

from pathlib import Path

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
            f"batch {batch.id}: {batch.items:,} items, {batch.images:,} images, "
            f"{batch.ratings:,} ratings"
        )
    for refusal in result.refused[:_SHOWN_REFUSALS]:
        shown.console.print(f"    refused: {refusal}", markup=False)
    if len(result.refused) > _SHOWN_REFUSALS:
        shown.console.print(f"    … and {len(result.refused) - _SHOWN_REFUSALS:,} more")
    if result.unused_images:
        shown.console.print(f"    {result.unused_images:,} images are named by no item")

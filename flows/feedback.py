"""`beholder feedback`: what the endpoint was told, and the next batch made of its ratings, once."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import typer

from components.answers.log import Kept
from components.feedback.address import find_address
from components.feedback.joining import Summary, join, summarise
from components.feedback.log import Counts, FeedbackLog
from components.feedback.tables import LAYOUT
from components.locking import hold_lock
from components.pages.words import counted
from components.params import Params, load_params
from components.paths import Workspace
from components.settings import load_settings
from components.sqlite import find_file
from flows.answers import open_answers
from flows.console import show_steps, step

_WAIT_SECONDS = 30
_SHOWN_REFUSALS = 10


def show_feedback(workspace: Workspace) -> None:
    """Print what the log holds."""
    file = _find_file(workspace)
    if not file.exists():
        typer.echo(f"no feedback yet ({file}); 'beholder serve' takes it at /feedback")
        return
    with open_log(workspace) as feedback:
        for line in describe(feedback.counts()):
            typer.echo(line)
        typer.echo(f"in {file}")
        with open_answers(workspace) as answers:
            if answers is None:
                typer.echo("no answers are kept, so nothing is joined to what was answered")
                return
            for line in describe_join(summarise(join(feedback, answers)), answers.count()):
                typer.echo(line)


def describe(counts: Counts) -> Iterator[str]:
    """Yield what a log holds, a line each."""
    if not counts.kinds:
        yield "no feedback yet"
        return
    kinds = ", ".join(counted(count, kind) for kind, count in sorted(counts.kinds.items()))
    yield f"{kinds} stored, from {_when(counts.first)} to {_when(counts.last)}"
    batches = counted(len(counts.batches), "batch", "batches")
    yield f"{counted(counts.exported, 'rating')} exported into {batches}"
    if counts.is_open:
        yield "an export was interrupted; 'beholder feedback export' finishes it"
    if counts.waiting:
        since = _when(counts.waiting_since)
        waiting = counted(counts.waiting, "rating waits", "ratings wait")
        yield f"{waiting} since {since}; 'beholder feedback export' makes a batch of them"


def describe_join(summary: Summary, kept: Kept) -> Iterator[str]:
    """Yield what the answers that events name say of the models, a line each."""
    lost = f"; {kept.lost:,} more could not be kept" if kept.lost else ""
    span = f", from {_when(kept.first)} to {_when(kept.last)}" if kept.answers else ""
    yield f"{counted(kept.answers, 'answer')} kept{span}{lost}"
    if not summary.named:
        yield "no event names the answer that it is about (its request_id)"
        return
    named = counted(summary.named, "event names", "events name")
    yield f"{named} an answer, {summary.found:,} of them one that is kept"
    for version, online in sorted(summary.versions.items(), key=lambda pair: -pair[1].ratings):
        ratings = counted(online.ratings, "rating")
        yield f"version {version}: online RMSE {online.rmse:.4f} over {ratings}"


def export_and_show(workspace: Workspace) -> None:
    """Make the next batch of the ratings that wait, and print what came of it.

    An export that was interrupted is finished first, then comes what is new. Two at once: the
    second waits for the first, and raises WorkspaceError if that takes long.
    """
    if not _find_file(workspace).exists():
        typer.echo("nothing to export: no feedback yet")
        return
    params = load_params(workspace.params)
    with show_steps():
        made = export_all(workspace, params)
    if made:
        typer.echo("next: 'beholder retrain' learns from it")
    else:
        typer.echo("nothing to export: every rating is in a batch already")


def export_all(workspace: Workspace, params: Params) -> int:
    """Make a batch of all ratings that wait now, and of an interrupted export before.

    Returns how many were made. What comes in meanwhile waits for the next call.
    """
    if not _find_file(workspace).exists():
        return 0
    lock = workspace.run / "feedback-export.lock"
    with (
        hold_lock(lock, wait_seconds=_WAIT_SECONDS, what="the export of feedback"),
        open_log(workspace) as feedback,
    ):
        is_interrupted = feedback.counts().is_open
        made = int(is_interrupted and export_once(workspace, params, feedback))
        return made + int(export_once(workspace, params, feedback))


def count_waiting(workspace: Workspace) -> int:
    """Return how many ratings are in no batch yet, those of an interrupted export included."""
    if not _find_file(workspace).exists():
        return 0
    with open_log(workspace) as feedback:
        counts = feedback.counts()
    # Those of an interrupted export are marked, and still in no batch.
    return max(counts.waiting, int(counts.is_open))


def export_once(workspace: Workspace, params: Params, feedback: FeedbackLog) -> bool:
    """Make one batch of an export that was interrupted, or else of all that waits.

    Returns whether there was anything. The very same ratings make the very same batch, so a call
    that was killed anywhere is finished by the next, and nothing comes in twice.
    """
    from components.data.ingest import ingest
    from components.files import write_parquet

    chosen = feedback.begin_export()
    if chosen is None:
        return False
    with step("export") as now, tempfile.TemporaryDirectory(prefix="beholder-") as scratch:
        file = Path(scratch) / "ratings.parquet"
        write_parquet(file, chosen.ratings)
        result = ingest(workspace, params, ratings=file, origin="feedback")
        feedback.end_export(chosen.number, result.batch.id)
        resumed = ", which an earlier call had chosen" if chosen.is_resumed else ""
        ratings = counted(len(chosen.ratings), "rating")
        now.note = f"batch {result.batch.id}: {ratings}{resumed}"
    return True


@contextmanager
def open_log(workspace: Workspace) -> Iterator[FeedbackLog]:
    """Yield a workspace's feedback log."""
    feedback = FeedbackLog(find_address(workspace, load_settings()))
    try:
        yield feedback
    finally:
        feedback.close()


def _find_file(workspace: Workspace) -> Path:
    return find_file(find_address(workspace, load_settings()), LAYOUT)


def _when(seconds: float | None) -> str:
    return "never" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"

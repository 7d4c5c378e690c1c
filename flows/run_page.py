"""What Prefect's UI shows of a retraining: tables, links, and no run that only seems alive."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from components.paths import Workspace
from components.promotion.comparison import Comparison, Score
from components.promotion.gate import Verdict
from components.statistics import Interval
from flows.presence import is_present

# So long a run may take from Prefect's word that it runs to its own mark.
_STARTING = timedelta(seconds=5)

log = logging.getLogger(__name__)


def close_abandoned_runs(
    workspace: Workspace, flow_name: str = "retrain", now: datetime | None = None
) -> None:
    """Mark as crashed what Prefect still takes for running `now`, though its process is dead.

    Others that live may be waiting, or about to tell Prefect that they have ended.
    """
    begun = (now or datetime.now(UTC)) - _STARTING
    still_running = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    )
    named = FlowFilter(name=FlowFilterName(any_=[flow_name]))
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_filter=named, flow_run_filter=still_running):
            ours = run.parameters.get("workspace") == str(workspace.root)
            is_new = run.state is not None and run.state.timestamp > begun
            if ours and not is_new and not is_present(workspace, str(run.id)):
                log.warning("run was killed, its work goes on here name=%s id=%s", run.name, run.id)
                message = "Its process ended without a word; the next run went on with its work."
                client.set_flow_run_state(run.id, Crashed(message=message), force=True)


def show_comparison(version: int, comparison: Comparison, verdict: Verdict) -> None:
    """Put the comparison's table and the verdict on the run's page."""
    create_markdown_artifact(
        describe(version, comparison, verdict),
        key="comparison",
        description=f"Version {version}: {verdict.decision}",
    )


def describe(version: int, comparison: Comparison, verdict: Verdict) -> str:
    """Return the comparison and the verdict as Markdown."""
    rows: list[tuple[str, Score, Interval | None]] = [
        (f"version {version} ({comparison.candidate.family})", comparison.candidate, None)
    ]
    if comparison.champion is not None:
        rows.append(
            (f"champion ({comparison.champion.family})", comparison.champion, comparison.difference)
        )
    rows += [
        (name, rung.score, rung.difference) for name, rung in sorted(comparison.ladder.items())
    ]
    lines = [
        f"# Version {version}: {verdict.decision}",
        "",
        *(f"- {reason}" for reason in verdict.reasons),
        "",
        f"{comparison.rows:,} test rows of {comparison.users:,} users, "
        f"{comparison.level:.0%} intervals by users.",
        "",
        "| model | RMSE | interval | candidate − model |",
        "|---|---:|---:|---:|",
    ]
    for name, score, difference in rows:
        gap = "" if difference is None else f"{difference.value:+.4f}"
        rmse = score.rmse
        lines.append(f"| {name} | {rmse.value:.4f} | {rmse.low:.4f} – {rmse.high:.4f} | {gap} |")
    return "\n".join([*lines, *_describe_slices(comparison, verdict)])


def _describe_slices(comparison: Comparison, verdict: Verdict) -> list[str]:
    """Return the table of the slices; none where there was no champion to differ from."""
    lines = [
        f"| {name} | {part.rows:,} | {part.users:,} | {part.difference.value:+.4f} | "
        f"{part.difference.low:+.4f} – {part.difference.high:+.4f} | "
        f"{verdict.slices.get(name, 'not judged')} |"
        for name, part in comparison.slices.items()
        if part.difference is not None
    ]
    head = "| slice | rows | users | candidate − champion | interval | within its margin |"
    return ["", head, "|---|---:|---:|---:|---:|---|", *lines] if lines else []


def show_report(path: Path) -> None:
    """Put a link to the evaluation report on the run's page."""
    create_link_artifact(path.as_uri(), link_text="Evaluation report", key="report")


def show_review(path: Path) -> None:
    """Put a link to the page for the reviewer on the run's page."""
    create_link_artifact(path.as_uri(), link_text="Review", key="review")

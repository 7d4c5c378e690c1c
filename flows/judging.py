"""From a registered version to a verdict beside the champion of now, a task a step."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.paths import Workspace
from flows.tasks import call, describe_trial

if TYPE_CHECKING:
    from components.params import Params
    from components.promotion.gate import Verdict
    from components.promotion.registry import Version
    from flows.tracking import TrackedRun


def judge_beside_champion(
    workspace: Workspace,
    params: "Params",
    version: "Version",
    champion: "Version | None",
    run: "TrackedRun | None",
    get_bento: Callable[[Workspace, "Version"], Path],
) -> "Verdict":
    """Package, try, compare and judge a version, and draw the page for its reviewer.

    What was found is logged with its run. Reads the test rows and the ladder of the workspace, so
    the caller holds its work lock.
    """
    from flows import candidate
    from flows.releases import open_registry
    from flows.review_page import make_review_page
    from flows.run_page import show_comparison, show_review

    bento = call(
        "package",
        lambda: get_bento(workspace, version),
        lambda folder: f"Bento in {folder.relative_to(workspace.root)}",
    )
    trial = call(
        "trial", lambda: candidate.try_bento(workspace, version, bento, params), describe_trial
    )
    comparison = call(
        "compare",
        lambda: candidate.compare_with_champion(workspace, version, champion, params),
        lambda made: f"RMSE {made.candidate.rmse.value:.4f} on {made.rows:,} test rows",
    )
    verdict = call(
        "gate",
        lambda: candidate.decide(workspace, version, champion, comparison, trial, params),
        lambda made: made.decision,
    )
    if run is not None:
        candidate.log_decision(run, comparison, trial, verdict)
    show_comparison(version.number, comparison, verdict)
    page = call(
        "report",
        lambda: make_review_page(workspace, open_registry(workspace).version(version.number)),
        lambda path: str(path.relative_to(workspace.root)),
    )
    show_review(page)
    return verdict

"""`beholder retrain`: the flow on this terminal, with the workspace's Prefect server behind it."""

import logging
from typing import TYPE_CHECKING, Any

from rich.console import Console

from components.errors import BeholderError
from components.params import load_params
from components.paths import Workspace
from components.settings import load_settings
from flows.console import show_steps, step
from flows.deciding import offer_review
from flows.preparing import require_data
from flows.review_page import page_path
from flows.reviewing import look
from flows.servers import prefect_server, use_prefect
from flows.services import Services

if TYPE_CHECKING:
    from flows.retrain_flow import Outcome

_SIGNS = {
    "promoted": "[green]promoted[/]",
    "awaiting review": "[yellow]awaits review[/]",
    "rejected": "[red]rejected[/]",
    "inconclusive": "[yellow]inconclusive[/]",
    "unchanged": "unchanged",
    "skipped": "skipped",
}


def retrain_and_show(workspace: Workspace, reason: str = "by hand") -> "Outcome":
    """Run the flow `retrain` in this process, drawing its steps, and print how it ended.

    Raises BeholderError with the run's own message if it failed.
    """
    load_params(workspace.params)  # what is wrong here need not wait for a server
    require_data(workspace)
    with show_steps() as shown:
        connect_prefect(workspace)
        outcome = run_retrain(workspace, reason)
        offer = offer_review(workspace) if awaits_person(workspace, outcome) else None
    print_outcome(shown.console, outcome)
    report = workspace.evaluation_report / "report.html"
    shown.console.print(f"  report  {report}", markup=False, soft_wrap=True)
    if outcome.version is not None and (page := page_path(workspace, outcome.version)).is_file():
        shown.console.print(f"  review  {page}", markup=False, soft_wrap=True)
    if offer is not None:
        shown.console.print(f"  form    {offer}", markup=False, soft_wrap=True)
    return outcome


def awaits_person(workspace: Workspace, outcome: "Outcome") -> bool:
    """Say whether a person may decide now about the version of a retraining."""
    if load_params(workspace.params).review.policy == "auto" or outcome.version is None:
        return False
    scene = look(workspace)
    state = scene.stand(scene.registry.version(outcome.version)).state
    return state in ("awaiting review", "approved", "inconclusive")


def run_retrain(workspace: Workspace, reason: str) -> "Outcome":
    """Run the flow in this process; raise BeholderError with its own message if it failed.

    What was no expected failure is raised as it was, with its traceback: it is a bug.
    """
    from prefect.client.schemas.objects import State
    from prefect.exceptions import FailedRun

    from flows.retrain_flow import Outcome, retrain

    quiet_root_logger()
    state: State[Any] = retrain(str(workspace.root), reason, return_state=True)
    ended: Any = state.result(raise_on_failure=False)
    if state.is_completed():
        return Outcome(**ended)
    if isinstance(ended, Exception) and not isinstance(ended, FailedRun):
        raise ended
    raise BeholderError(state.message or f"the run ended as {state.name}")


def connect_prefect(workspace: Workspace) -> str:
    """Point this process at a Prefect server, and return the address of its UI.

    PREFECT_API_URL where it is set; else the workspace's own server, started if need be and left
    running, because Prefect's ephemeral mode loses history.
    """
    given = load_settings().prefect_api_url
    if given:
        return given.removesuffix("/api")
    with step("prefect") as now:
        url = now.note = Services(workspace).ensure(prefect_server(), meanwhile=_import_clients)
        use_prefect(url)
    return url


def _import_clients() -> None:
    """Import what talks to the servers, for half of the time that Prefect's takes to start."""
    import mlflow  # noqa: F401
    import prefect.main  # noqa: F401


def quiet_root_logger() -> None:
    """Take Prefect's own console lines off the terminal; its server still gets every one."""
    import prefect.main  # noqa: F401 - sets logging up as it is imported

    for name in ("", "prefect"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if type(handler) is logging.StreamHandler or "Console" in type(handler).__name__:
                logger.removeHandler(handler)
    # Without any, the first `logging.info` of a library would bring the console lines back.
    logging.getLogger().addHandler(logging.NullHandler())


def print_outcome(console: Console, outcome: "Outcome") -> None:
    """Print the decision, and a line for each of its reasons."""
    version = "" if outcome.version is None else f"version {outcome.version} "
    console.print(f"\n{version}{_SIGNS[outcome.decision]}")
    for reason in outcome.reasons:
        console.print(f"  {reason}", markup=False, soft_wrap=True)

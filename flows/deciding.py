"""`beholder review approve|reject|serve`: the flow `promote` on this terminal, or kept at hand."""

from typing import TYPE_CHECKING, Any

from rich.console import Console

from components.errors import BeholderError, ParameterError
from components.paths import Workspace
from components.promotion.chain import MAX_REASON
from components.settings import load_settings
from flows.console import show_steps, step
from flows.credentials import describe_login
from flows.reviewing import Request, check
from flows.servers import mlflow_server, worker
from flows.services import Services

if TYPE_CHECKING:
    from flows.promote_flow import Outcome

_SIGNS = {
    "promoted": "[green]is champion[/]",
    "rejected": "[red]rejected[/]",
    "awaiting review": "[yellow]awaits review, with new numbers[/]",
    "turned down": "[red]turned down by the gate[/]",
    "inconclusive": "[yellow]inconclusive[/]",
    "unchanged": "unchanged",
}


def decide_and_show(workspace: Workspace, request: Request) -> "Outcome":
    """Run the flow `promote` in this process, drawing its steps, and print how it ended.

    Raises BeholderError with the run's own message if it failed.
    """
    from flows.retraining import connect_prefect

    if len(request.reason) > MAX_REASON:
        raise ParameterError(
            f"a reason of {len(request.reason):,} characters is too long for the ledger, which "
            f"takes {MAX_REASON:,}"
        )
    check(workspace, request)  # what is wrong here need not wait for a server
    with show_steps() as shown:
        connect_prefect(workspace)
        outcome = run_promote(workspace, request)
    print_outcome(shown.console, outcome)
    return outcome


def print_outcome(console: Console, outcome: "Outcome") -> None:
    """Print what became of the version, and a line for each reason."""
    console.print(f"\nversion {outcome.version} {_SIGNS[outcome.decision]}")
    for reason in outcome.reasons:
        console.print(f"  {reason}", markup=False, soft_wrap=True)


def run_promote(workspace: Workspace, request: Request) -> "Outcome":
    """Run the flow in this process; raise BeholderError with its own message if it failed."""
    from prefect.client.schemas.objects import State
    from prefect.exceptions import FailedRun

    from flows.promote_flow import Outcome, promote
    from flows.retraining import quiet_root_logger

    quiet_root_logger()
    state: State[Any] = promote(
        request.version,
        request.decision,
        request.reason,
        request.reviewer,
        request.seen,
        workspace=str(workspace.root),
        way=request.way,
        return_state=True,
    )
    ended: Any = state.result(raise_on_failure=False)
    if state.is_completed():
        return Outcome(**ended)
    if isinstance(ended, Exception) and not isinstance(ended, FailedRun):
        raise ended
    raise BeholderError(state.message or f"the run ended as {state.name}")


def offer_review(workspace: Workspace) -> str:
    """Keep the form in Prefect's UI and the tags in MLflow's at work; return the form's address.

    Call it after `connect_prefect`.
    """
    from prefect.settings import PREFECT_API_URL

    with step("worker") as now:
        url = now.note = start_worker(workspace, PREFECT_API_URL.value() or "")
    return url


def start_worker(workspace: Workspace, prefect_api_url: str) -> str:
    """Start the worker unless it runs, and return its address."""
    services = Services(workspace)
    services.retire("review")  # its name before it served more than reviews
    return services.ensure(worker(prefect_api_url))


def serve_and_show(workspace: Workspace) -> None:
    """Start all that a reviewer needs without a terminal, and print where it is."""
    from flows.retraining import connect_prefect

    with show_steps() as shown:
        connect_prefect(workspace)
        form = offer_review(workspace)
        with step("mlflow") as now:
            mlflow = now.note = load_settings().mlflow_tracking_uri or Services(workspace).ensure(
                mlflow_server(workspace)
            )
    model = load_settings().model_name
    for line in (
        f"\nform     {form}  (leads to the form 'promote' in Prefect's UI)",
        f"MLflow   {mlflow}/#/models/{model}  (tag a version: beholder.review = approve: why)",
        *([] if load_settings().mlflow_tracking_uri else [f"         {describe_login(workspace)}"]),
        "'beholder down' ends them",
    ):
        shown.console.print(line, markup=False, soft_wrap=True)

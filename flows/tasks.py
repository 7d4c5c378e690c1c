"""One action of a flow: a Prefect task, drawn as a step, tried again where a server failed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.tasks import exponential_backoff

from components.errors import ServiceError
from flows.console import step

if TYPE_CHECKING:
    from components.packaging.trial import TrialReport
    from flows.deploying import Rehearsal
    from flows.endpoint import Deployment

R = TypeVar("R")


def call(name: str, action: Callable[[], R], note: Callable[[R], str]) -> R:
    """Run an action as a Prefect task, drawn as a step; tried again if a server fails.

    `note` makes the step's line from what came back.
    """
    as_task = task(
        name=name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=3,
        retry_delay_seconds=exponential_backoff(2),
        retry_condition_fn=lambda _task, _run, state: _is_passing(state),
    )
    with step(name) as now:
        result = as_task(action)()
        now.note = note(result)
    return result


def describe_trial(report: "TrialReport") -> str:
    """Return a trial in a line."""
    if not report.passed:
        return f"failed: {'; '.join(report.reasons)}"
    found = [
        f"; {name} by index, recall@{search.k} {search.recall:.3f}"
        for name, search in report.retrieval.parts().items()
        if search.way == "index"
    ]
    return (
        f"{report.questions} golden answers, off by {report.max_difference:.0e} at most; "
        f"p99 {report.latency.p99:.0f} ms, {report.memory_mb:.0f} MB{''.join(found)}"
    )


def describe_rehearsal(rehearsal: "Rehearsal | None") -> str:
    """Return a rehearsal in a line."""
    if rehearsal is None:
        return "no endpoint runs that could take it up"
    return rehearsal.describe()


def describe_endpoint(deployed: "Deployment") -> str:
    """Return where the champion answers, in a line."""
    return deployed.refusal or deployed.url or "no endpoint runs; 'beholder serve' starts one"


def _is_passing(state: State[Any]) -> bool:
    """Say whether a failure is the world's, which may pass, and not a matter of the data."""
    return isinstance(state.result(raise_on_failure=False), ServiceError)

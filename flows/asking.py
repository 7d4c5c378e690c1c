"""Asking for a retraining: written into the book of triggers, and answered by one flow run a round.

Sixteen who ask at once are in one round, and its number is the flow run's idempotency key, so they
get one run; who asks while it is at work is in the next round.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from components.errors import ServiceError
from components.params import load_params
from components.paths import Workspace
from components.triggering.book import Book, Place
from components.triggering.policy import Asked, Kind
from flows.deployments import name_deployment, name_of

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

# Under a storm of askers a Prefect server answers some of them with 503.
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.5

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asking:
    """Where somebody who asked is heard: in which round, by which flow run, and when that starts.

    `joined` says that others are in that round too, or that the same was asked before.
    """

    round: int
    flow_run: str
    starts_at: float
    joined: bool


@contextmanager
def open_book(workspace: Workspace) -> Iterator[Book]:
    """Yield a workspace's book of triggers."""
    book = Book(workspace.triggers)
    try:
        yield book
    finally:
        book.close()


def ask(
    workspace: Workspace,
    kind: Kind,
    reason: str,
    evidence: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
) -> Asking:
    """Ask for a retraining; what was asked by the same `key` before is not asked again.

    A person's run starts at once, any other after `triggers.wait_seconds`, so that a burst is one.
    Raises ServiceError if Prefect does not answer; the worker then sees to it once it does.
    """
    with open_book(workspace) as book:
        place = book.ask(Asked(kind, reason, evidence or {}, time.time()), key)
        policy = load_params(workspace.params).triggers
        wait = 0.0 if kind == "hand" else policy.wait_seconds
        found = book.find(place.round)
        others = found is not None and len(found.asked) > 1
        if not place.is_open:
            run = found.flow_run if found is not None else None
            return Asking(place.round, run or "", time.time(), joined=True)
        made = ensure_run(workspace, book, place, wait)
    starts = made.next_scheduled_start_time or datetime.now(UTC)
    log.info("retraining asked for kind=%s round=%d flow_run=%s", kind, place.round, made.id)
    return Asking(place.round, str(made.id), starts.timestamp(), others or not place.is_new)


def ensure_run(
    workspace: Workspace, book: Book, place: Place, wait: float, *, hasten: bool = True
) -> "FlowRun":
    """Return the flow run that begins an open round, made if there is none, due in `wait` seconds.

    One that is due later is moved up, unless `hasten` is off; one that ended before it could begin
    is followed by another.
    """
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled

    attempt, found = place.attempt, book.find(place.round)
    reason = found.asked[0].reason if found is not None and found.asked else "asked for"
    due = datetime.now(UTC) + timedelta(seconds=wait)
    with get_client(sync_client=True) as client:
        deployment = _patiently(lambda: _find_deployment(client, name_of(workspace, "retrain")))

        def make() -> "FlowRun":
            return client.create_flow_run_from_deployment(
                deployment,
                parameters={"round_number": place.round, "reason": reason},
                state=Scheduled(scheduled_time=due),
                idempotency_key=f"{name_deployment(workspace)}-round-{place.round}-{attempt}",
                name=f"retrain, round {place.round}",
            )

        run = _patiently(make)
        while run.state is not None and run.state.is_final():
            attempt = book.renew(place.round, attempt)
            run = _patiently(make)
        if hasten and _is_later(run, due):
            client.set_flow_run_state(run.id, Scheduled(scheduled_time=due), force=True)
            run = client.read_flow_run(run.id)
    return run


def _is_later(run: "FlowRun", due: datetime) -> bool:
    planned = run.next_scheduled_start_time
    is_waiting = run.state is not None and run.state.is_scheduled()
    return is_waiting and planned is not None and planned > due + timedelta(seconds=1)


def _find_deployment(client: "SyncPrefectClient", name: str) -> "UUID":
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound as error:
        raise ServiceError(
            f"Prefect has no deployment {name!r}, for the worker was never started; run "
            "'beholder up'"
        ) from error


def _patiently(call: Callable[[], T]) -> T:
    """Call Prefect; asked again for a minute where it is busy or starting."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return call()
        except httpx.HTTPError as error:
            is_passing = not isinstance(error, httpx.HTTPStatusError) or (
                error.response.status_code in (429, 500, 502, 503, 504)
            )
            if not is_passing or time.monotonic() > deadline:
                raise ServiceError(
                    f"Prefect did not take what was asked ({error}); it is written down, and the "
                    "worker asks again; 'beholder status' shows whether both run"
                ) from error
            time.sleep(_POLL_SECONDS)

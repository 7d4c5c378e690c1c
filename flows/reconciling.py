"""No run that only seems alive, and no asker forgotten: what kills have left is put right."""

import logging
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Failed

from components.params import load_params
from components.paths import Workspace
from components.triggering.book import CUT_OFF, Book, Place, Round
from flows.announcing import announce, announce_lost, send_waiting
from flows.asking import ensure_run, open_book
from flows.presence import is_present, sweep_marks
from flows.retrain_flow import name_state

# Flows whose runs mark their presence.
_FLOWS = ("retrain", "promote", "monitor")
# From here on a run that is at work has had the time to mark its presence, one that is about to
# start has had the time to start.
_RUNNING_FOR = timedelta(seconds=30)
_PENDING_FOR = timedelta(minutes=5)
# So long after it was due an automation may take to start a round's flow run.
_GRACE_SECONDS = 30.0
# What Prefect's runner says of the runs that it takes along when it is stopped.
_SHUT_DOWN = "Runner is shutting down."

_GONE = "Its process ended without a word: it was killed, or the machine went down. "

log = logging.getLogger(__name__)


def reconcile(workspace: Workspace, now: datetime | None = None) -> None:
    """Put right what kills have left, as seen `now`; safe to repeat at any time.

    A round whose process is gone ends as cut off, and who asked in it is heard again, twice at
    most. A flow run whose process is gone ends as what the book says came of it, else as crashed.
    A round that is owed a flow run gets one. People are told of runs that could not do so.
    """
    now = now or datetime.now(UTC)
    with open_book(workspace) as book, get_client(sync_client=True) as client:
        for left in book.at_work():
            _settle_round(workspace, book, client, left)
        for run in _find_unfinished(client):
            if run.parameters.get("workspace") == str(workspace.root):
                _settle_run(workspace, book, client, run, now)
        _start_owed(workspace, book, client)
        sweep_marks(workspace)
        sweep_marks(workspace)
        announce_lost(workspace, client, now)
    send_waiting(workspace)


def _settle_round(workspace: Workspace, book: Book, client: SyncPrefectClient, left: Round) -> None:
    if left.flow_run is None or is_present(workspace, left.flow_run):
        return
    state = _read_state(client, left.flow_run)
    if state is not None and state.is_cancelled() and state.message != _SHUT_DOWN:
        book.end(left.number, "cancelled", "cancelled in Prefect", now=time.time())
        return
    log.warning("round was cut off round=%d flow_run=%s", left.number, left.flow_run)
    place = book.cut_off(left.number, _GONE.strip(), time.time())
    if place is not None:
        ensure_run(workspace, book, place, wait=0.0)
    if state is not None:  # Prefect's own word for it is a technical one, if it has any
        client.set_flow_run_state(UUID(left.flow_run), _tell_gone(place), force=True)


def _settle_run(
    workspace: Workspace, book: Book, client: SyncPrefectClient, run: FlowRun, now: datetime
) -> None:
    state = run.state
    if state is None or is_present(workspace, str(run.id)):
        return
    patience = _PENDING_FOR if state.type == StateType.PENDING else _RUNNING_FOR
    if now - state.timestamp < patience:
        return
    found = next((one for one in book.latest(100) if one.flow_run == str(run.id)), None)
    ended = _conclude(found)
    if found is not None and ended.is_completed():
        outcome = {"decision": found.outcome, "version": found.version}
        announce(None, run, Completed(data=outcome))  # what it told itself is not told again
    log.warning("run was left name=%s id=%s becomes=%s", run.name, run.id, ended.name)
    client.set_flow_run_state(run.id, ended, force=True)


def _conclude(found: Round | None) -> State:
    """Return how a flow run ended whose process is gone, by what the book says of its round."""
    if found is None or found.outcome is None or found.outcome == CUT_OFF:
        return _tell_gone(None)
    if found.outcome in ("failed", "validation failed"):
        return Failed(name=name_state(found.outcome), message=found.reason)
    return Completed(name=name_state(found.outcome), message=found.reason)


def _tell_gone(place: Place | None) -> State:
    """Return the state of a run whose process is gone; `place` is where its askers are heard."""
    what = "The next run goes on with its work."
    if place is not None:
        what = f"Who asked is heard again in round {place.round}, which goes on with its work."
    return Crashed(message=_GONE + what)


def _start_owed(workspace: Workspace, book: Book, client: SyncPrefectClient) -> None:
    """Start the flow run of a round in which somebody waits longer than an automation takes."""
    waiting = book.find_open()
    if waiting is None:
        return
    policy = load_params(workspace.params).triggers
    since = min(one.at for one in waiting.asked)
    if time.time() < since + policy.wait_seconds + _GRACE_SECONDS:
        return
    place = Place(waiting.number, waiting.attempt, is_open=True, is_new=False)
    ensure_run(workspace, book, place, wait=0.0, hasten=False)


def _find_unfinished(client: SyncPrefectClient) -> list[FlowRun]:
    unfinished = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=unfinished))
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(_FLOWS))),
        flow_run_filter=FlowRunFilter(state=state),
    )


def _read_state(client: SyncPrefectClient, run_id: str) -> State | None:
    try:
        return client.read_flow_run(UUID(run_id)).state
    except ObjectNotFound:
        return None

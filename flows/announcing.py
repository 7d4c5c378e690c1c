"""Telling people what a run came to: put into the outbox once, then sent as a Prefect event.

Nothing here fails a run: what cannot be sent now waits, and the worker sends it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import Event, Resource
from prefect.exceptions import PrefectException

from components.errors import BeholderError
from components.files import hash_json
from components.locking import hold_lock
from components.notices.notice import Notice
from components.notices.outbox import Outbox, Standing
from components.paths import Workspace
from flows.calling import TOLD_BY
from flows.deployments import name_deployment, name_resource
from flows.notices import complete, describe_failure, describe_version

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import SyncPrefectClient

_WAIT_SECONDS = 30
# Flows of which people are told that they failed; so long ago a run may have ended for that.
_FLOWS = ("retrain", "promote", "monitor")
_LATELY = timedelta(hours=1)

log = logging.getLogger(__name__)


@contextmanager
def open_outbox(workspace: Workspace) -> Iterator[Outbox]:
    """Yield a workspace's outbox."""
    outbox = Outbox(workspace.notices)
    try:
        yield outbox
    finally:
        outbox.close()


def announce(flow: "Flow[..., Any] | None", flow_run: FlowRun, state: State[Any]) -> None:
    """Tell how a flow run has ended: a hook of the flows, called once the state is set."""
    run = flow_run
    workspace = Workspace(Path(str(run.parameters["workspace"])))
    try:
        if state.is_completed():
            announce_success(workspace, run, state.result(raise_on_failure=False))
        else:
            announce_failure(workspace, run, state)
        send_waiting(workspace)
    except (BeholderError, PrefectException, httpx.HTTPError) as error:
        log.warning("notice not sent, what is made waits run=%s why=%s", run.name, error)
    except Exception:  # a bug here must not look as if the retraining had failed
        log.exception("notice not made run=%s", run.name)


def announce_success(workspace: Workspace, run: FlowRun, outcome: Any) -> None:
    """Tell what has become of the version of a run's outcome; what was told is not told again."""
    content: dict[str, Any] = outcome if isinstance(outcome, dict) else {}
    if content.get("decision") == "skipped":
        return
    with open_outbox(workspace) as outbox:
        outbox.clear(_topic(run))
    number = content.get("version")
    found = None if number is None else describe_version(workspace, number)
    if found is not None:
        key, notice = found
        _put(workspace, key, complete(workspace, notice, run))


def announce_failure(workspace: Workspace, run: FlowRun, state: State[Any]) -> None:
    """Tell that a run failed; where the one before failed with these very words, that is enough.

    A crash is always told: it is nothing that stands until somebody mends it.
    """
    same = Standing(_topic(run), hash_json([state.name, state.message]))
    notice = complete(workspace, describe_failure(workspace, run, state), run)
    _put(workspace, f"failed/{run.id}", notice, None if state.is_crashed() else same)


def announce_lost(workspace: Workspace, client: "SyncPrefectClient", now: datetime) -> None:
    """Tell of runs that failed lately and could not do so themselves: killed, or ended by a bug."""
    from prefect.client.schemas.filters import (
        FlowFilter,
        FlowFilterName,
        FlowRunFilter,
        FlowRunFilterEndTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    failed = FlowRunFilterStateType(any_=[StateType.FAILED, StateType.CRASHED])
    found = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(_FLOWS))),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=failed),
            end_time=FlowRunFilterEndTime(after_=now - _LATELY),
        ),
    )
    for run in found:
        if run.parameters.get("workspace") == str(workspace.root) and run.state is not None:
            announce_failure(workspace, run, run.state)


def send_waiting(workspace: Workspace) -> int:
    """Hand what waits to Prefect, the oldest first, and return how many.

    Raises an error of httpx or Prefect if the server does not take it, which waits then.
    """
    if not workspace.notices.exists():
        return 0
    lock = workspace.run / "notices.lock"
    with (
        hold_lock(lock, wait_seconds=_WAIT_SECONDS, what="the outbox of notices"),
        open_outbox(workspace) as outbox,
    ):
        waiting = outbox.waiting()
        for one in waiting:
            emit(workspace, one.event, {**one.payload, "at": one.at}, one.key)
            outbox.mark_sent(one.key)
            log.info("notice sent event=%s key=%s", one.event, one.key)
    return len(waiting)


def emit(workspace: Workspace, event: str, payload: dict[str, Any], key: str) -> str:
    """Hand an event about the workspace to Prefect's server, and return its id.

    The id is made of the key: what is sent again, after a kill, is one event.
    """
    made = Event(
        event=event,
        resource=Resource({"prefect.resource.id": name_resource(workspace)}),
        payload=payload,
        id=uuid5(NAMESPACE_URL, f"{name_deployment(workspace)}/{key}"),
    )
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[made.model_dump(mode="json")])
    return str(made.id)


def _put(workspace: Workspace, key: str, notice: Notice, same: Standing | None = None) -> None:
    assert notice.kind != "test"
    (event,) = TOLD_BY[notice.kind]
    with open_outbox(workspace) as outbox:
        is_new = outbox.put(key, event, notice.to_payload(), time.time(), same=same)
    if is_new:
        log.info("notice made event=%s key=%s", event, key)


def _topic(run: FlowRun) -> str:
    return str(run.flow_id)

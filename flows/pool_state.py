"""Whether anybody works for the work pools that a workspace's deployments are in, and who waits."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx

from components.errors import BeholderError
from components.pages.words import counted, describe_moment
from components.params import load_params
from components.paths import Workspace
from components.settings import load_settings
from flows.deployments import Plan, plan_deployments
from flows.pools import read_deployment, resume_command, worker_command
from flows.services import ServiceState

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

_PATIENCE_SECONDS = 5.0
_MOST = 200  # Prefect gives no more runs at once


@dataclass(frozen=True)
class PoolState:
    """A work pool: its type, how many of its workers are online, and our runs that are overdue.

    `since` is when the first of those was due, in seconds since 1970; None if none waits.
    """

    name: str
    kind: str
    is_paused: bool
    online: int
    waiting: int
    since: float | None


def find_trouble(workspace: Workspace, states: Iterable[ServiceState]) -> list[str]:
    """Return lines about work pools that run nothing; none where Prefect does not answer.

    Nobody is asked in a workspace for which 'beholder pool' was never called.
    """
    url = _find_prefect(states)
    if url is None or not workspace.prefect_yaml.exists():
        return []
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    try:
        plans = plan_deployments(workspace, load_params(workspace.params))
        patience = {"timeout": _PATIENCE_SECONDS}
        with (
            temporary_settings({PREFECT_API_URL: f"{url}/api", PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(patience, sync_client=True) as client,
        ):
            return list(describe_trouble(read_states(client, plans), f"{url}/api"))
    except (BeholderError, PrefectException, httpx.HTTPError):
        return []


def _find_prefect(states: Iterable[ServiceState]) -> str | None:
    given = load_settings().prefect_api_url
    if given:
        return given.removesuffix("/api")
    return next((one.url for one in states if one.name == "prefect" and one.healthy), None)


def read_states(client: "SyncPrefectClient", plans: Iterable[Plan]) -> list[PoolState]:
    """Return how the work pools do that the deployments are in, in the order of those."""
    ours: dict[str, list[UUID]] = {}
    for plan in plans:
        found = read_deployment(client, plan)
        if found is not None and found.work_pool_name is not None:
            ours.setdefault(found.work_pool_name, []).append(found.id)
    return [_read_state(client, name, deployments) for name, deployments in ours.items()]


def _read_state(client: "SyncPrefectClient", name: str, deployments: "list[UUID]") -> PoolState:
    from prefect.client.schemas.objects import WorkerStatus

    pool = client.read_work_pool(name)
    workers = client.read_workers_for_work_pool(name)
    online = sum(worker.status == WorkerStatus.ONLINE for worker in workers)
    due = _find_overdue(client, deployments)
    return PoolState(name, pool.type, pool.is_paused, online, len(due), min(due, default=None))


def _find_overdue(client: "SyncPrefectClient", deployments: "list[UUID]") -> list[float]:
    """Return when the runs were due that ought to have begun."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterNextScheduledStartTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    scheduled = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=deployments),
            state=scheduled,
            next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(
                before_=datetime.now(UTC)
            ),
        ),
        sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
        limit=_MOST,
    )
    return [
        run.next_scheduled_start_time.timestamp() for run in runs if run.next_scheduled_start_time
    ]


def describe_trouble(states: Iterable[PoolState], api_url: str) -> Iterator[str]:
    """Yield what is wrong with each work pool that runs nothing, then the command that mends it."""
    for pool in states:
        if pool.is_paused:
            yield f"the work pool '{pool.name}' is paused, {_say_who_waits(pool)}; go on by"
            mend = resume_command(pool.name)
        elif not pool.online:
            who = f"no worker of the work pool '{pool.name}' is online"
            yield f"{who}, {_say_who_waits(pool)}; start one by"
            mend = worker_command(pool.name, pool.kind)
        else:
            continue
        yield f"  PREFECT_API_URL={shlex.quote(api_url)} {mend}"


def _say_who_waits(pool: PoolState) -> str:
    if pool.since is None:
        return "and no run is due"
    most = "at least " if pool.waiting == _MOST else ""
    runs = counted(pool.waiting, "run waits", "runs wait")
    return f"and {most}{runs} since {describe_moment(pool.since)}"

"""The one list of a workspace's Prefect deployments, with schedules and what triggers each."""

import hashlib
import importlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from components.errors import ParameterError
from components.params import Params, find_cron
from components.paths import Workspace

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment
    from prefect.events import DeploymentEventTrigger
    from prefect.schedules import Schedule

TAG = "beholder"

# The Prefect events that ask for a retraining, by the kind of trigger.
EVENTS: Mapping[str, str] = {
    "data": "beholder.data.changed",
    "feedback": "beholder.feedback.arrived",
    "drift": "beholder.drift.found",
    "online-rmse": "beholder.rmse.risen",
    "registry": "beholder.registry.asked",
}


@dataclass(frozen=True)
class Plan:
    """One deployment: which flow (`module:name`), with which parameters, and what starts it.

    `schedule` is a cron line in UTC, started with the parameters in `scheduled` on top. `events`
    are kinds of triggers (`EVENTS`); one that comes again within `wait_seconds` starts no other
    run, and the run begins when they are over.
    """

    flow: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    schedule: str | None = None
    scheduled: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    wait_seconds: float = 0.0

    @property
    def full_name(self) -> str:
        """The name by which Prefect finds it: FLOW/NAME."""
        return f"{self.flow.partition(':')[2]}/{self.name}"


@dataclass(frozen=True)
class Pool:
    """A work pool of Prefect's that runs a deployment; `job` is what each run's job is told."""

    name: str
    job: Mapping[str, Any]


def name_deployment(workspace: Workspace) -> str:
    """Return the deployments' name: workspaces of one name may share a Prefect server."""
    place = f"{socket.gethostname()}:{workspace.root}"
    return f"{workspace.root.name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def name_resource(workspace: Workspace) -> str:
    """Return how Prefect's events name the workspace that they are about."""
    return f"beholder.workspace.{name_deployment(workspace)}"


def plan_deployments(workspace: Workspace, params: Params) -> tuple[Plan, ...]:
    """Return the deployments of a workspace."""
    name, place, policy = name_deployment(workspace), _place(workspace), params.triggers
    return (
        Plan(
            "flows.retrain_flow:retrain",
            name,
            {**place, "kind": "hand"},
            schedule=find_cron(policy.schedule),
            scheduled={"kind": "schedule", "reason": f"schedule {policy.schedule}"},
            events=tuple(EVENTS),
            wait_seconds=policy.wait_seconds,
        ),
        Plan("flows.promote_flow:promote", name, place),
        Plan(
            "flows.monitor_flow:monitor",
            name,
            place,
            schedule=find_cron(params.monitor.schedule),
            scheduled={"reason": "on schedule"},
        ),
    )


def name_of(workspace: Workspace, flow: str) -> str:
    """Return the full name of a flow's deployment: FLOW/NAME."""
    return f"{flow}/{name_deployment(workspace)}"


def _place(workspace: Workspace) -> dict[str, str]:
    return {"workspace": str(workspace.root)}


def load_flow(plan: Plan) -> "Flow[Any, Any]":
    """Import the flow of a deployment."""
    module, _, name = plan.flow.partition(":")
    found: Flow[Any, Any] = getattr(importlib.import_module(module), name)
    return found


async def make_deployment(
    workspace: Workspace, plan: Plan, pool: Pool | None = None
) -> "RunnerDeployment":
    """Return a deployment as Prefect's runner takes it, or as it stands in a work pool.

    Raises ParameterError if its schedule is none.
    """
    from prefect.types.entrypoint import EntrypointType

    return await load_flow(plan).ato_deployment(
        plan.name,
        parameters=dict(plan.parameters),
        tags=[TAG],
        schedule=make_schedule(plan),
        triggers=[make_trigger(workspace, kind, plan.wait_seconds) for kind in plan.events],
        entrypoint_type=EntrypointType.MODULE_PATH,
        work_pool_name=None if pool is None else pool.name,
        job_variables=None if pool is None else dict(pool.job),
    )


def make_trigger(workspace: Workspace, kind: str, wait_seconds: float) -> "DeploymentEventTrigger":
    """Return what starts a deployment at an event, with the event's payload as parameters."""
    from prefect.events import DeploymentEventTrigger

    wait, event = timedelta(seconds=wait_seconds), EVENTS[kind]
    return DeploymentEventTrigger(
        name=f"{name_deployment(workspace)}: {event}",
        description=f"A retraining where an event says so: {event}",
        expect={event},
        match={"prefect.resource.id": name_resource(workspace)},
        within=wait,
        schedule_after=wait,
        parameters={
            "kind": kind,
            "reason": _jinja(f"{{{{ event.payload.reason | default('{event}', true) }}}}"),
            "evidence": {
                "__prefect_kind": "json",
                "value": _jinja(
                    "{{ event.payload.evidence | default(event.payload, true) | tojson }}"
                ),
            },
            "key": _jinja("{{ event.payload.key | default(event.id | string, true) }}"),
        },
    )


def _jinja(template: str) -> dict[str, str]:
    return {"__prefect_kind": "jinja", "template": template}


def make_schedule(plan: Plan) -> "Schedule | None":
    """Return when a deployment starts by itself; raise ParameterError if its cron line is none."""
    from prefect.schedules import Cron

    if plan.schedule is None:
        return None
    try:
        return Cron(plan.schedule, timezone="UTC", parameters=dict(plan.scheduled))
    except ValueError as error:
        raise ParameterError(
            f"triggers.schedule in params.yaml: {plan.schedule!r} is no cron line ({error})"
        ) from error

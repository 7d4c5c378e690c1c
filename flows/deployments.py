"""The one list of a workspace's Prefect deployments; the worker serves them, prefect.yaml too."""

import hashlib
import importlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.paths import Workspace

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment

TAG = "beholder"


@dataclass(frozen=True)
class Plan:
    """One deployment: which flow (`module:name`), with which parameters."""

    flow: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """The name by which Prefect finds it: FLOW/NAME."""
        return f"{self.flow.partition(':')[2]}/{self.name}"


def name_deployment(workspace: Workspace) -> str:
    """Return the deployments' name: workspaces of one name may share a Prefect server."""
    place = f"{socket.gethostname()}:{workspace.root}"
    return f"{workspace.root.name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def plan_deployments(workspace: Workspace) -> tuple[Plan, ...]:
    """Return the deployments of a workspace."""
    name, place = name_deployment(workspace), {"workspace": str(workspace.root)}
    return (Plan("flows.promote_flow:promote", name, place),)


def load_flow(plan: Plan) -> "Flow[Any, Any]":
    """Import the flow of a deployment."""
    module, _, name = plan.flow.partition(":")
    found: Flow[Any, Any] = getattr(importlib.import_module(module), name)
    return found


async def make_deployment(plan: Plan) -> "RunnerDeployment":
    """Return a deployment as Prefect's runner takes it."""
    from prefect.types.entrypoint import EntrypointType

    return await load_flow(plan).ato_deployment(
        plan.name,
        parameters=dict(plan.parameters),
        tags=[TAG],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )

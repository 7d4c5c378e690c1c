"""Work pools: who runs a deployment, and `prefect.yaml`, by which Prefect registers all in one.

Prefect's word is the truth: a deployment that it has in a work pool is run by that pool's workers,
any other by ours.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from components.errors import ParameterError
from components.files import write_bytes
from components.paths import Workspace
from flows.deployments import TAG, Plan, Pool, make_schedule, make_trigger

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

_HEAD = """# The deployments of this workspace for a work pool of Prefect's. Written by
# 'beholder pool', and anew by the worker when params.yaml changes: what is a pool's own (an image,
# a GPU, mounts) belongs into its base job template. 'beholder pool --leave' undoes it.
"""


def describe_job(workspace: Workspace, *, container: bool = False) -> dict[str, Any]:
    """Return what a pool's job is told: its command, and where it runs; no secret is among it.

    In a container `python` is the image's, and the workspace lies at the path that it has here.
    Raises ParameterError if an address that it would be told holds a password.
    """
    python = "python" if container else shlex.quote(sys.executable)
    job: dict[str, Any] = {
        "command": f"{python} -m flows.pool_run",
        "env": {"BEHOLDER_WORKSPACE": str(workspace.root), **_find_addresses()},
    }
    return job if container else {**job, "working_dir": str(workspace.root)}


def _find_addresses() -> dict[str, str]:
    """Return our own settings, and where MLflow is, as this shell has them."""
    found = {
        name: value
        for name, value in sorted(os.environ.items())
        if name == "MLFLOW_TRACKING_URI" or name.startswith("BEHOLDER_")
    }
    for name, value in found.items():
        if urlsplit(value).password:
            raise ParameterError(
                f"{name} holds a password, which would stand in prefect.yaml and in Prefect; take "
                "it out and give the pool's workers MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD"
            )
    return found


def write_prefect_yaml(
    workspace: Workspace, plans: Iterable[Plan], pools: Mapping[str, Pool | None]
) -> None:
    """Write `prefect.yaml`: each deployment that has a pool in `pools`, by its full name.

    Whole or not at all, and only if it says something else. Raises ParameterError if a schedule in
    params.yaml is none.
    """
    placed = [(plan, pool) for plan in plans if (pool := pools.get(plan.full_name)) is not None]
    content = {
        "pull": [],  # the flows are installed where they run
        "deployments": [_render(workspace, plan, pool) for plan, pool in placed],
    }
    text = _HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    path = workspace.prefect_yaml
    if not path.is_file() or path.read_bytes() != text.encode():
        write_bytes(path, text.encode())


def _render(workspace: Workspace, plan: Plan, pool: Pool) -> dict[str, Any]:
    schedule = make_schedule(plan)
    cron = {"cron": plan.schedule, "timezone": "UTC", "parameters": dict(plan.scheduled)}
    triggers = [make_trigger(workspace, kind, plan.wait_seconds) for kind in plan.events]
    return {
        "name": plan.name,
        "entrypoint": plan.flow.replace(":", "."),
        "parameters": dict(plan.parameters),
        "tags": [TAG],
        "schedules": [] if schedule is None else [cron],
        "triggers": [trigger.model_dump(mode="json", exclude_unset=True) for trigger in triggers],
        "work_pool": {"name": pool.name, "job_variables": dict(pool.job)},
    }


def read_pools(client: "SyncPrefectClient", plans: Iterable[Plan]) -> dict[str, Pool | None]:
    """Return which work pool runs a deployment, by its full name; None where none does."""
    return {plan.full_name: _find_pool(read_deployment(client, plan)) for plan in plans}


def read_deployment(client: "SyncPrefectClient", plan: Plan) -> "DeploymentResponse | None":
    """Return a deployment as Prefect has it, None if it has none of that name."""
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment_by_name(plan.full_name)
    except ObjectNotFound:
        return None


def _find_pool(found: "DeploymentResponse | None") -> Pool | None:
    if found is None or found.work_pool_name is None:
        return None
    return Pool(found.work_pool_name, found.job_variables or {})


def say_who_runs(pools: Mapping[str, Pool | None]) -> str:
    """Return in a line what work pools run; empty if none runs anything."""
    return "; ".join(
        f"{name.partition('/')[0]} is run by the work pool '{pool.name}'"
        for name, pool in pools.items()
        if pool is not None
    )


def worker_command(name: str, kind: str) -> str:
    """Return the command that starts a worker of a work pool, whose type is `kind`."""
    return f"{prefect_command()} worker start --pool {shlex.quote(name)} --type {kind}"


def resume_command(name: str) -> str:
    """Return the command by which a work pool that was paused goes on."""
    return f"{prefect_command()} work-pool resume {shlex.quote(name)}"


def prefect_command() -> str:
    """Return Prefect's own command, as a shell takes it."""
    return shlex.quote(str(Path(sys.executable).with_name("prefect")))

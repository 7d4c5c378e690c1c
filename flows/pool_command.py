"""`beholder pool`: hand the deployments to a work pool of Prefect's, see who runs them, go back."""

import os
import shlex

from rich.console import Console

from components.errors import WorkspaceError
from components.params import load_params
from components.paths import Workspace
from flows.console import show_steps
from flows.deployments import Pool, plan_deployments
from flows.pool_state import describe_trouble, read_states
from flows.pools import (
    describe_job,
    prefect_command,
    read_deployment,
    read_pools,
    worker_command,
    write_prefect_yaml,
)
from flows.retraining import connect_prefect


def join_and_show(workspace: Workspace, name: str, *, container: bool) -> None:
    """Write `prefect.yaml` for a work pool, and print the commands that register and run it all.

    Safe to repeat. Nothing is handed over before 'prefect deploy' is called.
    """
    plans = plan_deployments(workspace, load_params(workspace.params))
    pool = Pool(name, describe_job(workspace, container=container))
    with show_steps() as shown:
        connect_prefect(workspace)
    write_prefect_yaml(workspace, plans, {plan.full_name: pool for plan in plans})
    url = os.environ["PREFECT_API_URL"]
    prefect = prefect_command()
    kind = "TYPE" if container else "process"
    lines = [f"{workspace.prefect_yaml} written; next:", f"  cd {shlex.quote(str(workspace.root))}"]
    lines.append(f"  export PREFECT_API_URL={shlex.quote(url)}")
    if not _has_pool(name):
        lines.append(f"  {prefect} work-pool create {shlex.quote(name)} --type {kind}")
    lines.append(f"  {prefect} --no-prompt deploy --all")
    lines.append(f"  {worker_command(name, kind)}")
    lines.append("'beholder pool' shows who runs what, 'beholder pool --leave' goes back")
    _print(shown.console, lines)


def leave_and_show(workspace: Workspace) -> None:
    """Take every deployment out of its work pool, so that the worker of 'beholder up' runs it."""
    with show_steps() as shown:
        connect_prefect(workspace)
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate

    lines = []
    with get_client(sync_client=True) as client:
        for plan in plan_deployments(workspace, load_params(workspace.params)):
            found = read_deployment(client, plan)
            if found is not None and found.work_pool_name is not None:
                # Whatever is not named here stays as it is.
                client.update_deployment(found.id, DeploymentUpdate(work_pool_name=None))
                lines.append(f"{plan.full_name} left the work pool '{found.work_pool_name}'")
    workspace.prefect_yaml.unlink(missing_ok=True)
    lines = lines or ["no work pool runs anything of this workspace"]
    _print(shown.console, [*lines, "the worker of 'beholder up' runs them within seconds"])


def show_pools(workspace: Workspace) -> None:
    """Print who runs each deployment, and which pool runs nothing.

    Raises WorkspaceError if none was ever registered.
    """
    with show_steps() as shown:
        connect_prefect(workspace)
    from prefect.client.orchestration import get_client

    plans = plan_deployments(workspace, load_params(workspace.params))
    with get_client(sync_client=True) as client:
        if all(read_deployment(client, plan) is None for plan in plans):
            raise WorkspaceError(f"{workspace.root} has no deployments yet; run 'beholder up'")
        pools, states = read_pools(client, plans), read_states(client, plans)
    lines = [
        f"{name.partition('/')[0]:<8} "
        + ("the worker of 'beholder up'" if pool is None else f"the work pool '{pool.name}'")
        for name, pool in pools.items()
    ]
    _print(shown.console, [*lines, *describe_trouble(states, os.environ["PREFECT_API_URL"])])


def _has_pool(name: str) -> bool:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            return False
    return True


def _print(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)

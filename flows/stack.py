"""`beholder up`: Prefect, MLflow, the worker and the endpoint, all kept alive until `down`."""

import httpx
from rich.console import Console

from components.errors import ServiceError
from components.hosts import ask
from components.paths import Workspace
from components.settings import load_settings
from flows.console import show_steps, step
from flows.credentials import MLFLOW_USER, describe_login, ensure_credentials
from flows.deciding import start_worker
from flows.endpoint import redeploy
from flows.releases import find_champion
from flows.servers import mlflow_server, prefect_server, use_prefect
from flows.services import Service, Services


def bring_up_and_show(workspace: Workspace) -> None:
    """Start every service that does not run, and print where each is; safe to repeat."""
    with show_steps() as shown:
        services = Services(workspace)
        prefect, mlflow = _start_servers(workspace, services)
        with step("worker") as now:
            worker = now.note = start_worker(workspace, f"{prefect}/api")
        services.want_all()
        endpoint = _start_endpoint(workspace)
    lines = [f"Prefect   {prefect}", f"MLflow    {mlflow}"]
    if load_settings().mlflow_tracking_uri is None:
        lines.append(f"          {describe_login(workspace)}")
    lines += [f"worker    {worker}  (leads to the form 'promote')", f"endpoint  {endpoint}"]
    _print(shown.console, lines)


def _print(console: Console, lines: list[str]) -> None:
    console.print()
    for line in [*lines, "'beholder status' shows them, 'beholder down' ends them"]:
        console.print(line, markup=False, soft_wrap=True)


def _start_servers(workspace: Workspace, services: Services) -> tuple[str, str]:
    """Start Prefect's and MLflow's servers side by side, unless settings name others."""
    settings = load_settings()
    given = (settings.prefect_api_url or "").removesuffix("/api"), settings.mlflow_tracking_uri
    # The store is laid down first: two processes that did it at once would be in each other's way.
    if given[1] is None:
        find_champion(workspace)
    own: dict[str, Service] = {}
    if not given[0]:
        own["prefect"] = prefect_server()
    if given[1] is None:
        own["mlflow"] = mlflow_server(workspace)
    for service in own.values():
        services.launch(service)
    urls = {"prefect": given[0], "mlflow": given[1] or ""}
    for name in urls:
        with step(name) as now:
            if name in own:
                urls[name] = services.ensure_launched(own[name])
            now.note = urls[name]
    if "mlflow" in own:
        _check_login(workspace, urls["mlflow"])
    use_prefect(urls["prefect"])
    return urls["prefect"], urls["mlflow"]


def _check_login(workspace: Workspace, url: str) -> None:
    """Raise ServiceError if MLflow's users know another password than the workspace does."""
    password = ensure_credentials(workspace).mlflow_password
    answer = ask(
        f"{url}/api/2.0/mlflow/experiments/search?max_results=1",
        auth=(MLFLOW_USER, password),
        timeout=30,
    )
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise ServiceError(
            f"MLflow at {url} does not know the password in {workspace.credentials}: put the one "
            f"that was set since into mlflow_password there, or remove "
            f"{workspace.state / 'mlflow-auth.db'} (all users of MLflow) and run 'beholder down' "
            "and 'beholder up'"
        )


def _start_endpoint(workspace: Workspace) -> str:
    champion = find_champion(workspace)
    if champion is None:
        return "starts with the first champion, which follows the first 'beholder ingest'"
    with step("endpoint") as now:
        made = redeploy(workspace, restart="if needed")
        now.note = made.url or made.refusal or ""
    if made.url is None:
        return made.refusal or "does not run; run 'beholder serve --background'"
    return f"{made.url}  (version {champion.number}, a page to try it at /)"

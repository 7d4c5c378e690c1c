"""`beholder serve`: the champion's Bento over HTTP, in the foreground or kept alive behind."""

import os

import httpx
import typer

from components.packaging.server import serve_command, serve_environment
from components.paths import Workspace
from components.promotion.registry import Version
from components.settings import load_settings
from flows.environment import build_environment
from flows.releases import fetch_bento, require_champion
from flows.servers import endpoint
from flows.services import Services, choose_port


def serve_champion(
    workspace: Workspace, *, host: str | None, port: int | None, background: bool
) -> None:
    """Serve the champion; in the foreground this call does not return."""
    champion = require_champion(workspace)
    if background:
        url = deploy(workspace, champion, host=host, port=port)
        typer.echo(f"version {champion.number} answers at {url}; 'beholder down' ends it")
        return
    bento = fetch_bento(workspace, champion)
    settings = load_settings()
    host = host or settings.host
    port = choose_port(host, port, settings.endpoint_port)
    typer.echo(f"version {champion.number} at http://{host}:{port}, its API at /; Ctrl-C ends it")
    command = serve_command(bento, host=host, port=port, workers=settings.endpoint_workers)
    environment = build_environment(workspace, **serve_environment(bento))
    os.execvpe(command[0], command, {**os.environ, **environment})  # noqa: S606 - no shell


def deploy(
    workspace: Workspace, version: Version, *, host: str | None = None, port: int | None = None
) -> str:
    """Let the endpoint in the background answer with a version, and return its address.

    Started if it does not run, restarted if another version answers there.
    """
    settings = load_settings()
    services = Services(workspace, host or settings.host)
    service = endpoint(fetch_bento(workspace, version), settings)
    answering = answering_version(services.url(service))
    is_other = answering is not None and answering != str(version.number)
    return services.ensure(service, port=port, restart=is_other)


def redeploy(workspace: Workspace, version: Version) -> str | None:
    """Do what `deploy` does if an endpoint runs in the background; return its address or None."""
    states = {state.name: state for state in Services(workspace, load_settings().host).states()}
    if "endpoint" not in states or not states["endpoint"].managed:
        return None
    return deploy(workspace, version)


def answering_version(url: str) -> str | None:
    """Return which version answers at an address, None if nothing does."""
    try:
        answer = httpx.get(f"{url}/model", timeout=5)
        return str(answer.raise_for_status().json()["model"]["version"])
    except (httpx.HTTPError, ValueError, KeyError):
        return None

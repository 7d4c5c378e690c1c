"""`beholder serve`: the champion's Bento over HTTP, in the foreground or kept alive behind."""

import os
from pathlib import Path

import httpx
import typer

from components.locking import hold_lock
from components.packaging.release import read_release
from components.packaging.server import serve_command, serve_environment
from components.paths import Workspace
from components.promotion.registry import Version
from components.settings import load_settings
from flows.environment import build_environment
from flows.releases import fetch_bento, open_registry, require_champion
from flows.servers import endpoint
from flows.services import Services, choose_port

_DEPLOY_SECONDS = 300


def serve_champion(
    workspace: Workspace, *, host: str | None, port: int | None, background: bool
) -> None:
    """Serve the champion; in the foreground this call does not return."""
    if background:
        champion, url = deploy(workspace, host=host, port=port)
        typer.echo(f"version {champion.number} answers at {url}; 'beholder down' ends it")
        return
    champion = require_champion(workspace)
    bento = fetch_bento(workspace, champion)
    settings = load_settings()
    host = host or settings.host
    port = choose_port(host, port, settings.endpoint_port)
    _record(workspace, champion, bento, f"http://{host}:{port}")
    typer.echo(f"version {champion.number} at http://{host}:{port}, its API at /; Ctrl-C ends it")
    command = serve_command(bento, host=host, port=port, workers=settings.endpoint_workers)
    environment = build_environment(workspace, **serve_environment(bento))
    os.execvpe(command[0], command, {**os.environ, **environment})  # noqa: S606 - no shell


def deploy(
    workspace: Workspace, *, host: str | None = None, port: int | None = None
) -> tuple[Version, str]:
    """Let the endpoint in the background answer with the champion; return that and its address.

    Started if it does not run, restarted if another version answers there. One at a time, and
    the champion is the one of then: of two who move the alias, the last one's answers.
    """
    lock = workspace.run / "deploy.lock"
    with hold_lock(lock, wait_seconds=_DEPLOY_SECONDS, what="the deployment"):
        champion = require_champion(workspace)
        settings = load_settings()
        services = Services(workspace, host or settings.host)
        bento = fetch_bento(workspace, champion)
        service = endpoint(bento, settings)
        answering = answering_version(services.url(service))
        is_other = answering is not None and answering != str(champion.number)
        url = services.ensure(service, port=port, restart=is_other)
        _record(workspace, champion, bento, url)
    return champion, url


def redeploy(workspace: Workspace) -> str | None:
    """Do what `deploy` does if an endpoint runs in the background; return its address or None."""
    states = {state.name: state for state in Services(workspace, load_settings().host).states()}
    if "endpoint" not in states or not states["endpoint"].managed:
        return None
    return deploy(workspace)[1]


def _record(workspace: Workspace, version: Version, bento: Path, url: str) -> None:
    manifest = read_release(bento)
    open_registry(workspace).ledger.append_once(
        "deployed",
        version=version.number,
        reason=f"answers at {url}",
        evidence={"bento": manifest.content, "lineage": manifest.lineage_id},
    )


def answering_version(url: str) -> str | None:
    """Return which version answers at an address, None if nothing does."""
    try:
        answer = httpx.get(f"{url}/model", timeout=5)
        return str(answer.raise_for_status().json()["model"]["version"])
    except (httpx.HTTPError, ValueError, KeyError):
        return None

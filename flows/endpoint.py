"""`beholder serve`: the champion's Bento over HTTP, in the foreground or kept alive behind."""

import os
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import typer

from components.errors import ConflictError
from components.hosts import ask, find_url
from components.locking import hold_lock
from components.packaging.pointer import Place
from components.packaging.release import read_release
from components.packaging.server import serve_command, serve_environment
from components.paths import Workspace
from components.promotion.registry import Version
from components.settings import load_settings
from flows.deploying import (
    BACKGROUND,
    Takeover,
    await_workers,
    begin,
    can_follow,
    endpoint_folder,
    find_live,
    find_place,
    swap,
)
from flows.endpoint_settings import build_settings, check_keys, describe_keys
from flows.environment import build_environment
from flows.pictures import make_pictures
from flows.releases import fetch_bento, open_registry, require_champion
from flows.servers import endpoint
from flows.services import Services, choose_port

# Whether the server may be started anew, which drops what it is answering.
Restart = Literal["never", "if needed", "always"]

_DEPLOY_SECONDS = 300


def serve_champion(
    workspace: Workspace,
    *,
    host: str | None,
    port: int | None,
    background: bool,
    restart: bool,
) -> None:
    """Serve the champion; in the foreground this call does not return."""
    if background or restart:
        how: Restart = "always" if restart else "never"
        champion, url = deploy(workspace, host=host, port=port, restart=how)
        typer.echo(f"version {champion.number} answers at {url}; 'beholder down' ends it")
        typer.echo(describe_keys(workspace, load_settings(), host or load_settings().host))
        return
    champion = require_champion(workspace)
    bento = fetch_bento(workspace, champion)
    settings = load_settings()
    host = host or settings.host
    check_keys(workspace, settings, host)
    port = choose_port(host, port, settings.endpoint_port)
    folder = endpoint_folder(workspace, str(os.getpid()))  # the server takes this process's place
    place = find_place(workspace, bento)
    begin(folder, place, settings.endpoint_workers)
    make_pictures(workspace, place)
    url = find_url(host, port)
    _record(workspace, champion, place, url)
    typer.echo(
        f"version {champion.number} at {url}, a page to try it at /, its API at "
        "/api; Ctrl-C ends it"
    )
    command = serve_command(bento, host=host, port=port, workers=settings.endpoint_workers)
    typer.echo(describe_keys(workspace, settings, host))
    environment = build_environment(
        workspace,
        **serve_environment(
            bento, folder=folder, settings=build_settings(workspace, settings, host)
        ),
    )
    os.execvpe(command[0], command, {**os.environ, **environment})  # noqa: S606 - no shell


def deploy(
    workspace: Workspace,
    *,
    host: str | None = None,
    port: int | None = None,
    restart: Restart = "never",
) -> tuple[Version, str]:
    """Let the endpoints answer with the champion; return that and the background one's address.

    The one in the background is started if it does not run. Those that run swap it in, without a
    request lost; one that runs other code or packages than the champion is started anew where
    `restart` allows that, otherwise ConflictError says what to do. One at a time, and the champion
    is the one of then: of two who move the alias, the last one's answers.
    """
    made = roll_out(workspace, host=host, port=port, restart=restart)
    return made.champion, str(made.url)


@dataclass(frozen=True)
class RollOut:
    """What became of every endpoint; `url` is the background one's address, if that runs."""

    champion: Version
    place: Place
    url: str | None
    taken: tuple[Takeover, ...]


def roll_out(
    workspace: Workspace,
    *,
    host: str | None = None,
    port: int | None = None,
    restart: Restart = "never",
    start: bool = True,
) -> RollOut:
    """Do what `deploy` does, and tell how; without `start` only where an endpoint runs already."""
    with _hold_deployment(workspace):
        champion = require_champion(workspace)
        bento = fetch_bento(workspace, champion)
        place = find_place(workspace, bento)
        make_pictures(workspace, place)
        services = Services(workspace, host or load_settings().host)
        url: str | None = None
        taken: list[Takeover] = []
        if start or _is_managed(services):
            url, taken = _settle(workspace, champion, place, services, port, restart)
        taken += _swap_foreground(workspace, champion, place)
        if url is not None:
            _record(workspace, champion, place, url)
    return RollOut(champion, place, url, tuple(taken))


@dataclass(frozen=True)
class Deployment:
    """Where the champion answers in the background, and why an endpoint that runs does not."""

    url: str | None
    refusal: str | None = None


def redeploy(workspace: Workspace, restart: Restart = "never") -> Deployment:
    """Do what `deploy` does for endpoints that run; one is started only where `beholder up` was.

    That one cannot take the champion up is told in what is returned: the champion stays champion.
    """
    services = Services(workspace)
    try:
        if services.is_whole:
            return Deployment(roll_out(workspace, restart=restart).url)
        if _is_managed(services) or find_live(workspace):
            return Deployment(roll_out(workspace, restart=restart, start=False).url)
    except ConflictError as error:
        return Deployment(None, str(error))
    return Deployment(None)


def _is_managed(services: Services) -> bool:
    return any(state.name == "endpoint" and state.managed for state in services.states())


def _hold_deployment(workspace: Workspace) -> AbstractContextManager[None]:
    lock = workspace.run / "deploy.lock"
    return hold_lock(lock, wait_seconds=_DEPLOY_SECONDS, what="the deployment")


def _settle(
    workspace: Workspace,
    champion: Version,
    place: Place,
    services: Services,
    port: int | None,
    restart: Restart,
) -> tuple[str, list[Takeover]]:
    """Swap the champion into the endpoint in the background, or start that with it."""
    settings = load_settings()
    folder, bento = endpoint_folder(workspace, BACKGROUND), Path(place.bento)
    service = endpoint(bento, settings, folder, build_settings(workspace, settings, services.host))
    live = next((one for one in find_live(workspace) if one.is_background), None)
    if live is not None and restart != "always" and services.runs(service, port=port):
        if can_follow(live, bento):
            return services.url(service), [swap(live, place)]
        if restart == "never":
            raise _explain_code(champion)
    check_keys(workspace, settings, services.host)
    started = time.monotonic()
    begin(folder, place, settings.endpoint_workers)
    url = services.ensure(service, port=port, restart=True)
    workers = await_workers(folder)  # the first of them makes it answer
    return url, [Takeover(BACKGROUND, "started", workers, time.monotonic() - started)]


def _swap_foreground(workspace: Workspace, champion: Version, place: Place) -> list[Takeover]:
    taken = []
    for live in find_live(workspace):
        if not live.is_background:
            if not can_follow(live, Path(place.bento)):
                raise _explain_code(champion)
            taken.append(swap(live, place))
    return taken


def _explain_code(champion: Version) -> ConflictError:
    return ConflictError(
        f"version {champion.number} is champion, but the endpoint runs other service code or "
        "other packages than it was packaged with, and answers as before; run "
        "'beholder serve --restart' (one in the foreground: end it and start it again)"
    )


def _record(workspace: Workspace, version: Version, place: Place, url: str) -> None:
    manifest = read_release(Path(place.bento))
    catalogue = {} if place.overlay is None else {"catalogue": place.overlay}
    open_registry(workspace).ledger.append_once(
        "deployed",
        version=version.number,
        reason=f"answers at {url}",
        evidence={"bento": manifest.content, "lineage": manifest.lineage_id, **catalogue},
    )


def answering_version(url: str) -> str | None:
    """Return which version answers at an address, None if nothing does."""
    try:
        answer = ask(f"{url}/model", timeout=5)
        return str(answer.raise_for_status().json()["model"]["version"])
    except (httpx.HTTPError, ValueError, KeyError):
        return None

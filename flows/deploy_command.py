"""`beholder deploy`: the champion into every endpoint; another version by the way open to it."""

import typer

from components.errors import ConflictError, ParameterError, WorkspaceError
from components.paths import Workspace
from components.promotion.registry import CHAMPION, PREVIOUS, Version
from components.promotion.review import Standing, find_obstacle
from components.settings import load_settings
from flows.deploying import BACKGROUND, find_live
from flows.endpoint import roll_out
from flows.endpoint_settings import describe_keys
from flows.refreshing import describe_catalogue
from flows.releases import open_registry, require_champion
from flows.reviewing import look


def deploy_and_show(workspace: Workspace, name: str, reason: str) -> None:
    """Let the endpoints answer with a version, and print how each came to.

    The champion is swapped in at once. A version that was champion before becomes it again by a
    rollback, for which a `reason` is needed; any other is refused with what may be done instead.
    """
    version = find_version(workspace, name)
    champion = require_champion(workspace)
    if version.number != champion.number:
        _go_back(workspace, version, reason)
    lives = find_live(workspace)
    only_foreground = bool(lives) and not any(live.is_background for live in lives)
    made = roll_out(workspace, start=not only_foreground)
    where = "" if made.url is None else f" at {made.url}"
    verb = "answers already" if all(t.way == "already" for t in made.taken) else "answers"
    typer.echo(f"version {made.champion.number} {verb}{where}")
    typer.echo(f"  catalogue   {describe_catalogue(made.place)}")
    for taken in made.taken:
        name = taken.endpoint if taken.endpoint == BACKGROUND else f"process {taken.endpoint}"
        typer.echo(f"  {name:<11} {taken.describe()}")
    if any(taken.way == "started" for taken in made.taken):
        settings = load_settings()
        typer.echo(f"  {describe_keys(workspace, settings, settings.host)}")


def find_version(workspace: Workspace, name: str) -> Version:
    """Return the version that a number, 'champion' or 'previous' names.

    Raises ParameterError if it is none of these, WorkspaceError if nobody is called so yet,
    ServiceError if there is no such version.
    """
    if name == CHAMPION:
        return require_champion(workspace)
    registry = open_registry(workspace)
    if name == PREVIOUS:
        previous = registry.previous()
        if previous is None:
            raise WorkspaceError("no version was champion before; 'beholder ledger' shows all")
        return previous
    if not name.isdigit() or int(name) < 1:
        raise ParameterError(
            f"{name!r} is no version; give a number, '{CHAMPION}' or '{PREVIOUS}' "
            "('beholder ledger' shows all)"
        )
    return registry.version(int(name))


def _go_back(workspace: Workspace, version: Version, reason: str) -> None:
    """Make a version champion again that was it before; raise ConflictError for any other."""
    from flows.rolling_back import roll_back_and_show

    number = version.number
    if not open_registry(workspace).was_champion(version):
        scene = look(workspace)
        raise ConflictError(explain(scene.stand(version), scene.params.review.policy))
    if not reason.strip():
        raise ParameterError(
            f"version {number} was champion before; say why it shall be again: "
            f"beholder deploy {number} --reason '…'"
        )
    roll_back_and_show(workspace, number, reason)


def explain(standing: Standing, policy: str) -> str:
    """Return why a version that was never champion is not deployed, and what may be done."""
    obstacle = find_obstacle(
        standing,
        "approve",
        reason="deploy",
        seen=standing.evidence,
        policy="required" if policy == "required" else "auto",
    )
    number = standing.number
    if obstacle is not None:
        return f"version {number} cannot be deployed: {obstacle}"
    doubt = "the gate is in doubt about it" if standing.state == "inconclusive" else "it is not"
    return (
        f"version {number} cannot be deployed, for only a champion answers and {doubt}; "
        f"'beholder review show {number}' shows what it would change, "
        f"'beholder review approve {number} --reason …' makes it champion and deploys it"
    )

"""A champion takes another's place: rehearsed before the alias moves, answering once it has."""

from functools import partial
from typing import TYPE_CHECKING

from components.errors import ConflictError
from components.paths import Workspace
from flows.tasks import call, describe_endpoint, describe_rehearsal

if TYPE_CHECKING:
    from components.promotion.registry import Version
    from flows.endpoint import Deployment


def rehearse_next(workspace: Workspace, version: "Version") -> None:
    """Let an endpoint that runs open the next champion, so that the alias moves only if it can.

    Raises ConflictError if one of its workers refuses.
    """
    from flows.deploying import rehearse

    rehearsal = call("rehearse", lambda: rehearse(workspace, version), describe_rehearsal)
    if rehearsal is not None and not rehearsal.passed:
        raise ConflictError(
            f"version {version.number} passed the gate, but the endpoint cannot answer with it "
            f"({'; '.join(rehearsal.reasons)}), so the champion stays; the same command tries "
            "again, 'beholder serve --restart' starts the endpoint anew"
        )


def deploy_champion(workspace: Workspace) -> "Deployment":
    """Let the endpoints that run answer with the champion."""
    from flows.endpoint import redeploy

    return call("deploy", partial(redeploy, workspace), describe_endpoint)

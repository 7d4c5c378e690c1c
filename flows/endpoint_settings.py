"""What an endpoint is told when it starts: where its logs, keys and pictures are."""

from components.answers.address import OFF
from components.answers.address import find_address as find_answers
from components.errors import WorkspaceError
from components.feedback.address import find_address
from components.hosts import is_local
from components.keys import find_key_file, read_keys
from components.paths import Workspace
from components.settings import Settings


def build_settings(workspace: Workspace, settings: Settings, host: str) -> dict[str, str]:
    """Return the variables for an endpoint that is to listen on a host."""
    return {
        "BEHOLDER_FEEDBACK_URL": find_address(workspace, settings),
        # Said too when it is off, or the environment around it would say otherwise.
        "BEHOLDER_ANSWERS_URL": find_answers(workspace, settings) or OFF,
        "BEHOLDER_ANSWERS_DAYS": f"{settings.answers_days:g}",
        "BEHOLDER_ANSWERS_GB": f"{settings.answers_gb:g}",
        "BEHOLDER_KEYS_FILE": str(find_key_file(workspace, settings)),
        "BEHOLDER_REQUIRE_KEYS": str(requires_keys(settings, host)).lower(),
        "BEHOLDER_PICTURES": str(workspace.pictures.resolve()),
    }


def check_keys(workspace: Workspace, settings: Settings, host: str) -> None:
    """Raise WorkspaceError if an endpoint on a host would ask for keys, and there is none."""
    if requires_keys(settings, host) and not read_keys(find_key_file(workspace, settings)):
        reason = (
            "BEHOLDER_REQUIRE_KEYS asks for keys"
            if settings.require_keys
            else f"others can reach {host}, so the endpoint asks for keys"
        )
        raise WorkspaceError(
            f"{reason}, and there is none; run 'beholder keys make NAME --scopes "
            "recommend,feedback' first"
        )


def requires_keys(settings: Settings, host: str) -> bool:
    """Whether an endpoint on a host asks for keys: as set, or else where others reach it."""
    return not is_local(host) if settings.require_keys is None else settings.require_keys


def describe_keys(workspace: Workspace, settings: Settings, host: str) -> str:
    """Return in a line whether keys are asked for, and what changes that."""
    if requires_keys(settings, host):
        number = len(read_keys(find_key_file(workspace, settings)))
        return f"keys: required ({number} there are; 'beholder keys list' shows them)"
    why = "only this machine reaches it" if is_local(host) else "BEHOLDER_REQUIRE_KEYS says so"
    return f"keys: off, for {why}; BEHOLDER_REQUIRE_KEYS=true asks for them"

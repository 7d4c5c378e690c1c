"""Where a workspace's feedback log is."""

from pathlib import Path

from components.errors import ParameterError
from components.paths import Workspace
from components.settings import Settings

_SCHEME = "sqlite:///"


def find_address(workspace: Workspace, settings: Settings) -> str:
    """Return the log's address: as the settings say, or in the workspace.

    Raises ParameterError if the settings name no file.
    """
    if settings.feedback_url is None:
        return f"{_SCHEME}{workspace.feedback}"
    # Whole, for the endpoint may run in another folder.
    return f"{_SCHEME}{find_file(settings.feedback_url)}"


def find_file(address: str) -> Path:
    """Return the file that an address names; raise ParameterError if it names none."""
    file = address.removeprefix(_SCHEME)
    if not address.startswith(_SCHEME) or not file or file == ":memory:" or "?" in file:
        # What stands before an @ may be a password.
        shown = address if "@" not in address else f"{address.partition(':')[0]}://…"
        raise ParameterError(
            f"BEHOLDER_FEEDBACK_URL: {shown!r} is no {_SCHEME}PATH; the feedback log is a SQLite "
            "file"
        )
    return Path(file).resolve()

"""Where a workspace's feedback log is."""

from pathlib import Path

from components import sqlite
from components.feedback.tables import LAYOUT
from components.paths import Workspace
from components.settings import Settings


def find_address(workspace: Workspace, settings: Settings) -> str:
    """Return the log's address: as the settings say, or in the workspace.

    Raises ParameterError if the settings name no file.
    """
    if settings.feedback_url is None:
        return f"{sqlite.SCHEME}{workspace.feedback}"
    # Whole, for the endpoint may run in another folder.
    return f"{sqlite.SCHEME}{find_file(settings.feedback_url)}"


def find_file(address: str) -> Path:
    """Return the file that an address names; raise ParameterError if it names none."""
    return sqlite.find_file(address, LAYOUT)

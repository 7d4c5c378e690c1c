"""Where a workspace's answer log is, and whether there is to be one."""

from pathlib import Path

from components import sqlite
from components.answers.tables import LAYOUT
from components.paths import Workspace
from components.settings import Settings

OFF = "off"


def find_address(workspace: Workspace, settings: Settings) -> str | None:
    """Return the log's address: as the settings say, or in the workspace; None if it is off.

    Raises ParameterError if the settings name no file.
    """
    if settings.answers_url is None:
        return f"{sqlite.SCHEME}{workspace.answers}"
    if settings.answers_url == OFF:
        return None
    # Whole, for the endpoint may run in another folder.
    return f"{sqlite.SCHEME}{find_file(settings.answers_url)}"


def find_file(address: str) -> Path:
    """Return the file that an address names; raise ParameterError if it names none."""
    return sqlite.find_file(address, LAYOUT)

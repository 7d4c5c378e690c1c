"""Where a workspace's answer log is, and whether there is to be one."""

from components import sqlite
from components.answers.tables import LAYOUT
from components.paths import Workspace
from components.settings import Settings

OFF = "off"


def find_address(workspace: Workspace, settings: Settings) -> str | None:
    """Return the log's address: as the settings say, or in the workspace; None if it is off.

    Raises ParameterError if the settings name no file.
    """
    if settings.answers_url == OFF:
        return None
    return sqlite.find_address(settings.answers_url, workspace.answers, LAYOUT)

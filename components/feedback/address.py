"""Where a workspace's feedback log is."""

from components import sqlite
from components.feedback.tables import LAYOUT
from components.paths import Workspace
from components.settings import Settings


def find_address(workspace: Workspace, settings: Settings) -> str:
    """Return the log's address: as the settings say, or in the workspace.

    Raises ParameterError if the settings name no file.
    """
    return sqlite.find_address(settings.feedback_url, workspace.feedback, LAYOUT)

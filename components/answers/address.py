"""Where a workspace's answer log is, and whether there is to be one."""

from components.answers.tables import LAYOUT
from components.paths import Workspace
from components.settings import Settings
from components.sqlite import SCHEME, find_file

OFF = "off"


def find_address(workspace: Workspace, settings: Settings) -> str | None:
    """Return the log's address: as the settings say, or in the workspace; None if it is off.

    Raises ParameterError if the settings name no file.
    """
    if settings.answers_url is None:
        return f"{SCHEME}{workspace.answers}"
    if settings.answers_url == OFF:
        return None
    # Whole, for the endpoint may run in another folder.
    return f"{SCHEME}{find_file(settings.answers_url, LAYOUT)}"

"""The option by which a command is told its workspace, and how that is opened."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.paths import Workspace

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        envvar="BEHOLDER_WORKSPACE",
        help="The workspace; otherwise the one around the working directory.",
        show_default=False,
    ),
]


def open_workspace(folder: Path | None) -> "Workspace":
    """Return the workspace around a folder, with this process in its environment."""
    from components.code import refresh_code

    workspace = look_into(folder)
    refresh_code(workspace)
    return workspace


def look_into(folder: Path | None) -> "Workspace":
    """Do what `open_workspace` does, and leave every file of the workspace as it is."""
    from components.paths import find_workspace
    from flows.environment import enter

    workspace = find_workspace(folder or Path.cwd())
    enter(workspace)
    return workspace

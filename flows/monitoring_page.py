"""The page of the last look, written where the worker shows it."""

from pathlib import Path

from components.files import write_bytes
from components.monitoring.page import render_page
from components.monitoring.snapshot import read_all
from components.paths import Workspace


def page_path(workspace: Workspace) -> Path:
    """Return where the page lies, if a look was taken."""
    return workspace.monitor / "monitor.html"


def write_page(workspace: Workspace) -> Path:
    """Write the page of the last look, which must have been kept, and return where it lies."""
    path = page_path(workspace)
    write_bytes(path, render_page(read_all(workspace), workspace.root.name).encode())
    return path

"""`beholder clone|backup|restore`: a workspace on another machine, or here again."""

import logging
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from components.batches import read_batches
from components.data.versions import fetch_batch
from components.data.workspace import REMOTE, init_workspace
from components.dvc import run_dvc
from components.errors import BeholderError, WorkspaceError
from components.housekeeping.backup import restore_backup, write_backup
from components.pages.words import describe_bytes
from components.paths import Workspace, find_workspace
from flows.console import show_steps, step
from flows.environment import enter

log = logging.getLogger(__name__)


def backup_and_show(workspace: Workspace, target: Path | None) -> None:
    """Write a backup, by default beside the workspace under the time, and say what it holds."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H%MZ")
    target = target or workspace.root.with_name(f"{workspace.root.name}-{now}.tar")
    with show_steps() as shown, step("backup") as told:
        backup = write_backup(workspace, target)
        told.note = f"{len(backup.files):,} files, {describe_bytes(target.stat().st_size)}"
    _say(shown.console, f"backup  {target}")
    _say(shown.console, "        without data and models, which lie in DVC's remote")
    _say(shown.console, f"next    'beholder restore {target} DIR' makes a workspace of it again")


def restore_and_show(source: Path, folder: Path, remote: str | None) -> None:
    """Make a workspace of a backup, bring its data from the remote, and say what comes next."""
    with show_steps() as shown:
        with step("unpack") as told:
            workspace = restore_backup(source, folder)
            told.note = str(workspace.root)
        _complete(workspace, remote)
    _say(shown.console, f"workspace {workspace.root}")
    _say(shown.console, f"next      cd {folder} && beholder status")


def clone_and_show(address: str, folder: Path, remote: str | None) -> None:
    """Clone the git repository of a workspace, bring its data, and say what comes next."""
    if folder.exists() and any(folder.iterdir()):
        raise WorkspaceError(f"{folder} is not empty; name a new folder")
    with show_steps() as shown:
        was_there = folder.exists()
        with step("git clone") as told:
            _clone(address, folder)
            told.note = address
        try:
            workspace = find_workspace(folder)
        except WorkspaceError:
            workspace = None
        if workspace is None or workspace.root != folder.resolve():
            _empty(folder, keep=was_there)
            raise WorkspaceError(
                f"the repository {address} holds no workspace: it has no .dvc and params.yaml; "
                "commit them there first ('git add . && git commit')"
            )
        _complete(workspace, remote)
    _say(shown.console, f"workspace {workspace.root}")
    _say(
        shown.console,
        "          versions and runs lie in MLflow: set MLFLOW_TRACKING_URI to a server that both "
        "share, or bring them by 'beholder backup' there and 'beholder restore' here",
    )
    _say(shown.console, f"next      cd {folder} && beholder status")


def _empty(folder: Path, *, keep: bool) -> None:
    """Take away what was cloned, so that the same command can be given again."""
    shutil.rmtree(folder)
    if keep:
        folder.mkdir()


def _clone(address: str, folder: Path) -> None:
    command = ["git", "clone", "--quiet", "--", address, str(folder)]
    child = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if child.returncode:
        raise WorkspaceError(f"'git clone {address}' failed: {child.stderr.strip()}")


def _complete(workspace: Workspace, remote: str | None) -> None:
    """Make what is this machine's own, and bring all data and models from the remote."""
    init_workspace(workspace.root)
    enter(workspace)
    if remote is not None:
        where = remote if "://" in remote else str(Path(remote).expanduser().resolve())
        run_dvc(workspace, "remote", "modify", REMOTE, "url", where)
    with step("data") as told:
        batches = read_batches(workspace)
        for number, batch in enumerate(batches, 1):
            told.note = f"batch {number} of {len(batches)}"
            _fetch(workspace, batch.id)
        told.note = f"{len(batches)} batches"
    with step("models") as told:
        if not workspace.lock.exists():
            told.note = "none yet"
            return
        pulled = run_dvc(workspace, "pull", check=False)
        is_whole = pulled.returncode == 0
        told.note = "" if is_whole else "not all in the remote; 'beholder retrain' makes them anew"


def _fetch(workspace: Workspace, batch: str) -> None:
    try:
        fetch_batch(workspace, batch)
    except BeholderError as error:
        raise WorkspaceError(
            f"{error}\nthe workspace stands at {workspace.root}; where the remote lies elsewhere "
            f"now, call 'dvc remote modify {REMOTE} url ADDRESS' and 'beholder fetch' there"
        ) from error


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)

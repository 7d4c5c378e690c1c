"""The scratch workspace in which a version is learnt again: a whole one, with nothing cached."""

import logging
import shutil
from pathlib import Path

import yaml

from components.batches import write_batches
from components.data.versions import fetch_batch
from components.data.workspace import REMOTE, init_workspace
from components.errors import BeholderError, CorruptFileError, WorkspaceError
from components.files import read_json, write_bytes, write_json
from components.paths import STATE, Workspace
from flows.recipe import Recipe

_MARK = "reproduction.json"
_NEARBY = "nearby"

log = logging.getLogger(__name__)


def scratch_folder(workspace: Workspace, version: int) -> Path:
    """Return where a version is learnt again unless a person names another place."""
    return workspace.root.with_name(f"{workspace.root.name}.reproduce") / str(version)


def open_scratch(folder: Path, workspace: Workspace, recipe: Recipe) -> Workspace:
    """Return the scratch workspace in `folder`: a new one, or that of a call that was cut off.

    It has the recorded parameters and steps, and no data yet. Raises WorkspaceError if the folder
    holds anything else: what lies in a scratch workspace is deleted in the end.
    """
    scratch = Workspace(folder.resolve())
    mark = {
        "workspace": str(workspace.root),
        "version": recipe.version.number,
        "digest": recipe.version.digest,
    }
    _refuse_other(scratch, mark)
    write_json(scratch.state / _MARK, mark)  # first, so that a second call knows it for ours
    write_bytes(scratch.params, recipe.params)
    write_bytes(scratch.pipeline, recipe.pipeline)
    write_batches(scratch, recipe.batches)
    for batch, md5 in recipe.md5s.items():
        out = {"md5": md5, "hash": "md5", "path": batch}
        text = yaml.safe_dump({"outs": [out]}, sort_keys=False)
        write_bytes(scratch.batches / f"{batch}.dvc", text.encode())
    init_workspace(scratch.root, str(_nearby_cache(workspace)))
    _connect(scratch, workspace)
    return scratch


def fetch_data(scratch: Workspace, recipe: Recipe) -> int:
    """Bring every batch from the workspace's remote, verified; return how many were not here yet.

    One that the remote does not give whole comes from the workspace's own cache, which is said.
    """
    fetched = 0
    for batch in recipe.batches:
        _choose_remote(scratch, REMOTE)
        try:
            fetched += fetch_batch(scratch, batch.id)
        except (WorkspaceError, CorruptFileError) as error:
            _choose_remote(scratch, _NEARBY)
            try:
                fetched += fetch_batch(scratch, batch.id)
            except BeholderError:
                raise error from None
            log.warning("batch %s is not whole in the remote; taken from the cache here", batch.id)
    return fetched


def remove_scratch(scratch: Workspace) -> None:
    """Delete the scratch workspace, and the folder around it if that is ours and empty."""
    shutil.rmtree(scratch.root)
    around = scratch.root.parent
    if around.name.endswith(".reproduce") and not any(around.iterdir()):
        around.rmdir()


def _refuse_other(scratch: Workspace, mark: dict[str, object]) -> None:
    path = scratch.state / _MARK
    if path.is_file():
        found = read_json(path)
        if found == mark:
            return
        what = f"is where version {found['version']} of {found['workspace']} is reproduced"
    elif not scratch.root.is_dir() or {entry.name for entry in scratch.root.iterdir()} <= {STATE}:
        return
    else:
        what = "holds other things"
    raise WorkspaceError(f"{scratch.root} {what}; name a new folder with --into")


def _nearby_cache(workspace: Workspace) -> Path:
    return workspace.root / ".dvc/cache"


def _connect(scratch: Workspace, workspace: Workspace) -> None:
    """Let the scratch workspace read from the workspace's remote, and from its cache."""
    from dvc.config import Config

    theirs = Config(str(workspace.root / ".dvc"))
    name = theirs["core"].get("remote")
    nearby = {"url": str(_nearby_cache(workspace)), "verify": True}
    remote = dict(theirs["remote"].get(name, {})) if name else nearby
    local = scratch.root / ".dvc/config.local"
    local.chmod(0o600)  # a remote's credentials may come with it
    with Config(str(scratch.root / ".dvc")).edit("local") as config:
        config["remote"] = {REMOTE: remote, _NEARBY: nearby}


def _choose_remote(scratch: Workspace, name: str) -> None:
    from dvc.config import Config

    with Config(str(scratch.root / ".dvc")).edit("local") as config:
        config["core"]["remote"] = name

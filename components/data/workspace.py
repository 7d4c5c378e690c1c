"""Making a workspace: git, DVC, the parameters, the steps and an empty list of batches."""

import importlib.metadata
import logging
import shutil
import subprocess
from pathlib import Path

import components
from components.batches import write_batches
from components.code import refresh_code
from components.dvc import dvc_environment, run_dvc
from components.errors import WorkspaceError
from components.files import write_bytes
from components.paths import STATE, Workspace

REMOTE = "storage"
_LAID_DOWN = "# Laid down by Beholder "
# What a folder that is no workspace must not hold yet, for we would write there.
_OURS = ("params.yaml", "dvc.yaml", "dvc.lock", "code.yaml", ".dvc", "data", "models", "reports")
# The outputs are DVC's to keep; git keeps their hashes. A pattern here also keeps DVC from
# writing a .gitignore of its own into each folder.
_GIT_IGNORED = (
    f"/{STATE}/",
    "/mlflow.db",  # what MLflow leaves where it is started without an address
    "/mlruns/",
    "/prefect.yaml",  # this machine's paths, for its work pool
    # Not `*/`: DVC would take that for the folder itself, and overlook every batch in it.
    "/data/raw/batches/?*/",
    "/data/raw/batches/.*",
    "/data/accepted",
    "/data/quarantine",
    "/data/split",
    "/data/embeddings",
    "/models",
    "/reports/compare",  # durations of this machine
    "/reports/validation/docs",
    "/reports/validation/results.json",
    "/reports/evaluation/predictions.parquet",
    "/reports/evaluation/report.html",
    ".*.tmp",
    ".*.old",
)
_DVC_IGNORED = ("__pycache__/", f"/{STATE}/", ".*.tmp", ".*.old")

log = logging.getLogger(__name__)


def init_workspace(folder: Path, remote: str | None = None) -> Workspace:
    """Make a workspace of a folder, or complete one; what exists is left as it is.

    `remote` is where DVC pushes to (a path or an address); by default `<name>.remote` beside the
    folder. Raises WorkspaceError if the folder holds other things under the names that we need,
    or if the remote lies inside it.
    """
    folder = folder.resolve()
    _check_free(folder)
    address = _remote_address(folder, remote)
    workspace = Workspace(folder)
    # First of all, so that a second call knows a half-made workspace for ours.
    workspace.state.mkdir(parents=True, exist_ok=True)
    _add_lines(folder / ".gitignore", _GIT_IGNORED)
    _init_git(folder)
    _init_dvc(workspace, address)
    _add_lines(folder / ".dvcignore", _DVC_IGNORED)
    if not workspace.batch_list.exists():
        write_batches(workspace, ())
    workspace.batches.mkdir(parents=True, exist_ok=True)
    refresh_code(workspace)
    template = find_template()
    if not workspace.pipeline.exists():
        version = f"{_LAID_DOWN}{importlib.metadata.version('beholder')}\n".encode()
        write_bytes(workspace.pipeline, version + (template / "dvc.yaml").read_bytes())
    if not workspace.params.exists():  # last: from now on it is a workspace
        write_bytes(workspace.params, (template / "params.yaml").read_bytes())
    log.info("workspace ready root=%s", folder)
    return workspace


def find_template() -> Path:
    """Return the folder of the params.yaml and dvc.yaml that new workspaces begin with.

    The one packaged in a wheel, else the root of the source tree.
    """
    package = Path(components.__file__).parent
    for place in (package / "template", package.parent):
        if (place / "params.yaml").is_file() and (place / "dvc.yaml").is_file():
            return place
    raise WorkspaceError(
        f"neither {package / 'template'} nor {package.parent} holds params.yaml and dvc.yaml; "
        "install Beholder again"
    )


def read_laid_down(workspace: Workspace) -> str | None:
    """Return the version of Beholder that wrote dvc.yaml, None if the file does not say."""
    lines = workspace.pipeline.read_text().splitlines()
    if not lines or not lines[0].startswith(_LAID_DOWN):
        return None
    return lines[0].removeprefix(_LAID_DOWN).strip()


def _check_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file; name a folder for the workspace")
    if _is_workspace(folder) or (folder / STATE).is_dir():
        return
    around = [parent for parent in folder.parents if _is_workspace(parent)]
    if around:
        raise WorkspaceError(
            f"{folder} lies inside the workspace {around[0]}; name a folder outside it"
        )
    taken = [name for name in _OURS if (folder / name).exists()]
    if taken:
        raise WorkspaceError(
            f"{folder} is no workspace and already holds {', '.join(taken)}; "
            "name an empty or a new folder"
        )


def _is_workspace(folder: Path) -> bool:
    return (folder / ".dvc").is_dir() and (folder / "params.yaml").is_file()


def _remote_address(folder: Path, remote: str | None) -> str:
    """Return the remote's address as .dvc/config holds it: a relative path is one from there."""
    if remote is None:
        return f"../../{folder.name}.remote"
    if "://" in remote:
        return remote
    path = Path(remote).expanduser().resolve()
    if path == folder or folder in path.parents:
        raise WorkspaceError(
            f"the remote {path} lies inside the workspace {folder}, so losing the folder would "
            "lose both; name a folder outside it"
        )
    return str(path)


def _add_lines(path: Path, lines: tuple[str, ...]) -> None:
    old = path.read_text() if path.exists() else ""
    missing = [line for line in lines if line not in old.splitlines()]
    if missing:
        gap = "" if not old or old.endswith("\n") else "\n"
        write_bytes(path, (old + gap + "\n".join(missing) + "\n").encode())


def _init_git(folder: Path) -> None:
    if (folder / ".git").exists():
        return
    if shutil.which("git") is None:
        raise WorkspaceError("git is not on PATH; install it, then run the command again")
    command = ["git", "init", "--quiet", "--initial-branch=main"]
    child = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if child.returncode:
        raise WorkspaceError(f"'git init' failed in {folder}: {child.stderr.strip()}")


def _init_dvc(workspace: Workspace, address: str) -> None:
    folder = workspace.root / ".dvc"
    config = folder / "config"
    if not (config.is_file() and config.stat().st_size):
        # A folder without a config is what a killed `dvc init` leaves; with a cache, it is not.
        force = ("--force",) if folder.exists() and not (folder / "cache").exists() else ()
        run_dvc(workspace, "init", "--quiet", *force)
        write_bytes(config, _dvc_config(address).encode())
    # For a person's own `dvc` commands; absolute, so it belongs to this machine alone.
    local = folder / "config.local"
    if not local.exists():
        state = dvc_environment(workspace)["DVC_SITE_CACHE_DIR"]
        write_bytes(local, f"[core]\n    site_cache_dir = {state}\n".encode())


def _dvc_config(address: str) -> str:
    return f"""\
[core]
    analytics = false
    check_update = false
    autostage = false
    remote = {REMOTE}
[cache]
    type = "hardlink,copy"
['remote "{REMOTE}"']
    url = {address}
    verify = true
"""

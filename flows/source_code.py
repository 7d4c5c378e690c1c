"""The source that the steps run from: which commit it is, and that of another commit beside it."""

import io
import json
import logging
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import components
from components.child import supervised
from components.files import write_folder

_PACKAGE = "components"
_DIGEST = "import json, components.code as code; print(json.dumps(code.digest_steps()))"

log = logging.getLogger(__name__)


def find_code_commit() -> str | None:
    """Return the commit that the source of the steps stands on; None where git does not keep it."""
    repository = find_repository()
    found = None if repository is None else _git(repository, "rev-parse", "--verify", "HEAD")
    return None if found is None else found.decode().strip()


def find_repository() -> Path | None:
    """Return the folder above the package of the steps if git keeps that package, else None."""
    folder = Path(components.__file__).parents[1]
    tracked = _git(folder, "ls-files", "--error-unmatch", f"{_PACKAGE}/__init__.py")
    return None if tracked is None else folder


def extract_code(commit: str, target: Path) -> bool:
    """Lay the steps' package of a commit into `target`, whole; False if it is not to be had.

    The repository itself is left as it is: no branch, no worktree.
    """
    repository = find_repository()
    packed = None if repository is None else _git(repository, "archive", commit, _PACKAGE)
    if packed is None:
        return False
    with write_folder(target) as folder, tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    log.info("code extracted commit=%s target=%s", commit, target)
    return True


def digest_code(folder: Path) -> dict[str, str] | None:
    """Return the digest of each step by the source in `folder`; None if it cannot tell its own."""
    ended = subprocess.run(
        supervised([sys.executable, "-c", _DIGEST]),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        log.warning("code cannot be digested folder=%s why=%s", folder, ended.stderr[-300:])
        return None
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def find_changed_steps(recorded: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """Return the steps whose source is not the recorded one, in the order of the record."""
    return tuple(step for step, digest in recorded.items() if found.get(step) != digest)


def _git(folder: Path, *arguments: str) -> bytes | None:
    try:
        ended = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, check=False, timeout=60
        )
    except FileNotFoundError:  # no git on this machine
        return None
    return ended.stdout if ended.returncode == 0 else None

"""What DVC's cache holds that neither the workspace nor a version that is kept has a use for.

`python -m flows.dvc_garbage find|remove` answers in a process of its own, as DVC's commands do: DVC
sets up logging and caches of its process as it likes.
"""

import json
import subprocess
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

from components.child import supervised
from components.dvc import dvc_environment
from components.errors import WorkspaceError
from components.paths import Workspace

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

Action = Literal["find", "remove"]


def find_objects(workspace: Workspace, needed: Collection[str]) -> dict[str, int]:
    """Return the bytes of each object of the cache that may go, by its md5.

    What the workspace's DVC files and `dvc.lock` name stays, and what `needed` names: md5s of
    files and of folders (…`.dir`), with all that is in those. The remote is another matter.
    Raises WorkspaceError with DVC's own words if it cannot say.
    """
    return dict(_ask(workspace, "find", needed))


def remove_objects(workspace: Workspace, needed: Collection[str]) -> int:
    """Remove those objects, and return how many there were."""
    return int(_ask(workspace, "remove", needed))


def _ask(workspace: Workspace, action: Action, needed: Collection[str]) -> Any:
    done = subprocess.run(
        supervised([sys.executable, "-m", "flows.dvc_garbage", action]),
        cwd=workspace.root,
        env=dvc_environment(workspace),
        input=json.dumps(sorted(needed)),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        end = "\n".join(done.stderr.splitlines()[-8:])
        raise WorkspaceError(f"DVC's cache of {workspace.root} cannot be swept:\n{end}")
    return json.loads(done.stdout.splitlines()[-1])


def _find(repo: "Repo", needed: Collection[str]) -> dict[str, int]:
    used = {info.value for info in _find_used(repo, needed)}
    cache = repo.cache.local
    return {
        md5: int(cache.fs.size(cache.oid_to_path(md5))) for md5 in cache.all() if md5 not in used
    }


def _remove(repo: "Repo", needed: Collection[str]) -> int:
    from dvc_data.hashfile.gc import gc

    with repo.lock:
        return int(gc(repo.cache.local, _find_used(repo, needed)) or 0)


def _find_used(repo: "Repo", needed: Collection[str]) -> set["HashInfo"]:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    used = {info for infos in repo.used_objs(force=True).values() for info in infos}
    for md5 in needed:
        info = HashInfo("md5", md5)
        used.add(info)
        if info.isdir and repo.cache.local.exists(md5):
            tree = Tree.load(repo.cache.local, info)
            used |= {info for _, _, info in tree if info}
    return used


def main() -> None:
    """Answer one question about the repository of the working directory, as JSON."""
    from dvc.repo import Repo

    needed = json.load(sys.stdin)
    with Repo() as repo:
        answer = _find(repo, needed) if sys.argv[1] == "find" else _remove(repo, needed)
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()

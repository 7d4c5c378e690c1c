"""code.yaml: one digest a step over the sources that it imports, so that DVC sees code change."""

import hashlib
import importlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from components.__main__ import STEPS
from components.errors import BeholderError
from components.files import hash_file, write_bytes
from components.paths import Workspace

# It holds the table of the steps, which says who runs what but not how.
_LEFT_OUT = "components.__main__"

log = logging.getLogger(__name__)


def digest_steps(steps: Mapping[str, str] = STEPS) -> dict[str, str]:
    """Return {step: digest} over the sources in the import closure of each step's function.

    `steps` maps a step to "package.module:function", all in one package. The closure includes
    imports inside functions, the packages that a module lies in, and the files beside the modules
    of a subpackage that are no Python (templates); imports for type checkers are left out.
    """
    import grimp

    modules = {step: target.partition(":")[0] for step, target in steps.items()}
    package = next(iter(modules.values())).partition(".")[0]
    root = Path(next(iter(importlib.import_module(package).__path__)))
    graph = grimp.build_graph(package, cache_dir=None, exclude_type_checking_imports=True)
    if _LEFT_OUT in graph.modules:
        graph.remove_module(_LEFT_OUT)
    hashes: dict[Path, str] = {}
    digests = {}
    for step, module in modules.items():
        if module not in graph.modules:
            raise BeholderError(
                f"step {step!r} names the module {module}, which {root} does not hold; "
                "install Beholder again"
            )
        closure = graph.find_upstream_modules(module) | {module}
        files = {file for name in closure for file in _sources(root, name)}
        digests[step] = _digest(root, files, hashes)
    return digests


def _sources(root: Path, module: str) -> Iterator[Path]:
    """Yield a module's file, those of the packages around it, and the data beside it."""
    parts = module.split(".")[1:]
    for depth in range(len(parts) + 1):
        place = root.joinpath(*parts[:depth])
        if (place / "__init__.py").is_file():
            yield place / "__init__.py"
            if depth:
                yield from _data_files(place)
        else:
            yield place.with_suffix(".py")


def _data_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith((".", "__")) or path.name.endswith("~"):
            continue
        if path.is_dir() and not (path / "__init__.py").exists():
            yield from _data_files(path)
        elif path.is_file() and path.suffix not in {".py", ".pyi"}:
            yield path


def _digest(root: Path, files: set[Path], hashes: dict[Path, str]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        if file not in hashes:
            hashes[file] = hash_file(file)
        digest.update(f"{file.relative_to(root).as_posix()} {hashes[file]}\n".encode())
    return digest.hexdigest()


def refresh_code(workspace: Workspace) -> bool:
    """Write code.yaml if the code is no longer what it says; return whether it was."""
    text = yaml.safe_dump(digest_steps(), sort_keys=True).encode()
    if workspace.code.is_file() and workspace.code.read_bytes() == text:
        return False
    write_bytes(workspace.code, text)
    log.info("code digests refreshed path=%s", workspace.code)
    return True

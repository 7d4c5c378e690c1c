"""Which source files the service needs: its import closure, so that none is missing or too many."""

import importlib.util
from pathlib import Path

from components.errors import BeholderError

PACKAGES = ("serving", "components")


def find_sources(module: str) -> dict[str, Path]:
    """Return {path in the Bento: file} of all that `module` imports, at once or later, and itself.

    Imports inside functions count; those for type checkers do not. With a module come the
    packages around it and the files beside it that are no Python (pages, templates).
    """
    import grimp

    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)
    if module not in graph.modules:
        raise BeholderError(f"module {module} is not installed; install Beholder again")
    sources: dict[str, Path] = {}
    for name in graph.find_upstream_modules(module) | {module}:
        parts = name.split(".")
        root = find_package(parts[0]).parent
        for depth in range(1, len(parts) + 1):
            for file in _files_of(root.joinpath(*parts[:depth])):
                sources[file.relative_to(root).as_posix()] = file
    return dict(sorted(sources.items()))


def find_package(package: str) -> Path:
    """Return the folder that a package is imported from."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise BeholderError(f"package {package} is not installed; install Beholder again")
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _files_of(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place.with_suffix(".py")]
    beside = (path for path in place.iterdir() if path.is_file() and path.suffix != ".py")
    return [place / "__init__.py", *(path for path in beside if not path.name.startswith("."))]

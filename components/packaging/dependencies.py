"""What a Bento must have installed: the closure of the `serving` extra, pinned by the lock file."""

import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from components.errors import BeholderError
from components.packaging.sources import find_package

DISTRIBUTION = "beholder"
EXTRA = "serving"

# Returns the requirements of an installed distribution, or raises PackageNotFoundError.
Requires = Callable[[str], list[str] | None]


def find_lock() -> Path:
    """Return the lock file beside the source, or the one that an installed wheel carries."""
    package = find_package("components")
    for path in (package.parent / "requirements.lock", package / "template/requirements.lock"):
        if path.is_file():
            return path
    raise BeholderError(f"no requirements.lock beside {package}; install Beholder again")


def export_requirements(
    lock: Path, extra: str = EXTRA, requires: Requires = metadata.requires
) -> list[str]:
    """Return the lock's lines for all that an extra of Beholder needs, sorted by name.

    Every line is a pinned version, some with the marker under which it is needed; none holds an
    address. Raises BeholderError if something needed is not locked.
    """
    pins = read_lock(lock)
    own = [text for text in requires(DISTRIBUTION) or [] if "extra ==" in text]
    closure = _close(_demands(own, {extra}), requires, pins)
    missing = sorted(closure - pins.keys())
    if missing:
        raise BeholderError(f"{lock} does not pin {', '.join(missing)}; run 'make lock'")
    return [pins[name] for name in sorted(closure)]


def read_lock(lock: Path) -> dict[str, str]:
    """Return {canonical name: line} of a lock file; raise BeholderError on what is no pin."""
    pins = {}
    for line in lock.read_text().splitlines():
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        match = re.match(r"([A-Za-z0-9._-]+)==\S+", text)
        if match is None:
            raise BeholderError(f"{lock} holds {text!r}, which pins no version; run 'make lock'")
        pins[_canonical(match[1])] = text
    return pins


def _close(
    demands: set[tuple[str, frozenset[str], bool]], requires: Requires, pins: dict[str, str]
) -> set[str]:
    closure: set[str] = set()
    seen = set()
    while demands:
        demand = demands.pop()
        name, extras, needed = demand
        # What only another platform needs is taken where the lock knows it.
        if demand in seen or not (needed or name in pins):
            continue
        seen.add(demand)
        closure.add(name)
        try:
            demands |= _demands(requires(name) or [], set(extras))
        except metadata.PackageNotFoundError as error:
            if needed:
                raise BeholderError(f"{name} is not installed; run 'make setup'") from error
    return closure


def _demands(requirements: list[str], extras: set[str]) -> set[tuple[str, frozenset[str], bool]]:
    """Return (name, extras, needed on this platform) of what a distribution asks for."""
    from packaging.requirements import Requirement

    demands = set()
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        here = marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})
        if here or "extra" not in str(marker):
            name = _canonical(requirement.name)
            demands.add((name, frozenset(requirement.extras), here))
    return demands


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

"""What lies between two versions: their batches, parameters, code and packages, key by key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.batches import Batch

# Who decides changes no result, nor does how the service is looked at.
_LEFT_OUT = ("review.", "monitor.")
_PACKAGE = re.compile(r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==([^\s;]+)")


@dataclass(frozen=True)
class Inputs:
    """What one version was made of, as its run keeps it; None for what is not kept.

    `params` are flat (`train.family`), `code` has one digest a step, `packages` a version a name,
    `outputs` the hash that DVC gave each file or folder that a stage wrote, by stage.
    """

    batches: tuple[Batch, ...] | None = None
    params: Mapping[str, Any] | None = None
    code: Mapping[str, str] | None = None
    packages: Mapping[str, str] | None = None
    outputs: Mapping[str, Mapping[str, str]] | None = None
    commit: str | None = None


@dataclass(frozen=True)
class Change:
    """One key that differs; None on the side where it is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Totals:
    """What came in with some batches, later corrections counted as they came."""

    batches: int
    ratings: int
    items: int
    images: int

    @classmethod
    def of(cls, batches: tuple[Batch, ...]) -> "Totals":
        """Add up batches."""
        return cls(
            batches=len(batches),
            ratings=sum(one.ratings for one in batches),
            items=sum(one.items for one in batches),
            images=sum(one.images for one in batches),
        )


@dataclass(frozen=True)
class DataChange:
    """The batches that came and went; `is_reordered` where the same ones stand in another order."""

    added: tuple[Batch, ...]
    removed: tuple[Batch, ...]
    is_reordered: bool
    before: Totals
    after: Totals


@dataclass(frozen=True)
class Changes:
    """What changed; None where one of the two sides is not kept, so that nobody can say."""

    data: DataChange | None
    params: tuple[Change, ...] | None
    code: tuple[Change, ...] | None
    packages: tuple[Change, ...] | None
    commit: Change | None


def find_changes(before: Inputs, after: Inputs) -> Changes:
    """Return what lies between the inputs of two versions."""
    commit = None
    if before.commit != after.commit:
        commit = Change("git commit", before.commit, after.commit)
    return Changes(
        data=_compare_batches(before.batches, after.batches),
        params=_compare(_select(before.params), _select(after.params)),
        code=_compare(before.code, after.code),
        packages=_compare(before.packages, after.packages),
        commit=commit,
    )


def read_packages(lock: str) -> dict[str, str]:
    """Return {name: version} of a requirements.txt that pins; of several pins of a name, all."""
    found: dict[str, list[str]] = {}
    for line in lock.splitlines():
        if match := _PACKAGE.match(line.strip()):
            versions = found.setdefault(match[1].lower(), [])
            if match[2] not in versions:
                versions.append(match[2])
    return {name: ", ".join(versions) for name, versions in found.items()}


def _compare_batches(
    before: tuple[Batch, ...] | None, after: tuple[Batch, ...] | None
) -> DataChange | None:
    if before is None or after is None:
        return None
    old, new = {one.sha256 for one in before}, {one.sha256 for one in after}
    kept = [one.sha256 for one in before if one.sha256 in new]
    return DataChange(
        added=tuple(one for one in after if one.sha256 not in old),
        removed=tuple(one for one in before if one.sha256 not in new),
        is_reordered=kept != [one.sha256 for one in after if one.sha256 in old],
        before=Totals.of(before),
        after=Totals.of(after),
    )


def _select(params: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if params is None:
        return None
    return {name: value for name, value in params.items() if not name.startswith(_LEFT_OUT)}


def _compare(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Change, ...] | None:
    if before is None or after is None:
        return None
    # By type too: 1 and True are equal to Python, and say different things.
    return tuple(
        Change(name, _show(before, name), _show(after, name))
        for name in sorted(before.keys() | after.keys())
        if _show(before, name) != _show(after, name)
    )


def _show(values: Mapping[str, Any], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value)) or "none"
    return _word(value)


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)

"""What became of a version that was learnt again, beside what was recorded: pure comparison."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load_file

from components.files import read_json
from components.models.bundle import MANIFEST, read_digest
from components.statistics import Interval

State = Literal["same", "differs", "unknown"]

WEIGHTS = "weights.safetensors"
_OUTPUTS = {
    "accepted data": "data/accepted",
    "split": "data/split",
    "embeddings": "data/embeddings",
}
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", re.MULTILINE)
_SHOWN = 4


@dataclass(frozen=True)
class Finding:
    """One thing that was compared, and what is to say of it."""

    what: str
    state: State
    says: str


@dataclass(frozen=True)
class Rmse:
    """Both evaluation bundles on the same test rows, and RMSE(again) − RMSE(recorded)."""

    again: float
    recorded: float
    difference: Interval
    rows: int


@dataclass(frozen=True)
class Reproduction:
    """All findings: what it was made from (`causes`), then what came out, in the order of steps."""

    version: int
    causes: tuple[Finding, ...]
    results: tuple[Finding, ...]
    rmse: Rmse | None
    uses_gpu: bool

    @property
    def is_same(self) -> bool:
        """Whether both bundles, the last two results, are the same to the bit."""
        return all(finding.state == "same" for finding in self.results[-2:])

    @property
    def first(self) -> Finding | None:
        """The first result that differs; None if none is known to."""
        return next((finding for finding in self.results if finding.state == "differs"), None)


def compare_code(changed: Sequence[str] | None, learning: Sequence[str], where: str) -> Finding:
    """Tell which steps' source is not the recorded one; `changed` is None if nothing was recorded.

    Only steps that are `learning` have a part in the bundles.
    """
    if changed is None:
        return Finding("code", "unknown", f"its digests were not recorded; {where} was run")
    if not changed:
        return Finding("code", "same", where)
    differing = [step for step in changed if step in learning]
    if not differing:
        return Finding("code", "same", f"{where}; of no weight: {', '.join(changed)}")
    return Finding("code", "differs", f"not the same code: {', '.join(differing)} ({where})")


def compare_packages(recorded: Mapping[str, str] | None, found: Mapping[str, str]) -> Finding:
    """Tell which packages have another version than when the version was learnt."""
    if recorded is None:
        return Finding("packages", "unknown", "not recorded")
    changed = [
        f"{name} {version} → {found.get(name, 'none')}"
        for name, version in recorded.items()
        if found.get(name) != version
    ]
    if not changed:
        return Finding("packages", "same", ", ".join(f"{n} {v}" for n, v in recorded.items()))
    return Finding("packages", "differs", _list(changed))


def read_pins(lock: str) -> dict[str, str]:
    """Return the version of each package that a lock file pins to one."""
    return {name.lower(): version for name, version in _PINNED.findall(lock)}


def compare_machine(recorded: Mapping[str, Any] | None, found: Mapping[str, Any]) -> Finding:
    """Tell whether it was learnt on the like of this: device, instructions, threads."""
    if recorded is None:
        return Finding("machine", "unknown", f"not recorded; {_describe_machine(found)} here")
    names = ("device", "chip", "threads", "default_threads")
    if all(recorded.get(name) == found.get(name) for name in names):
        return Finding("machine", "same", _describe_machine(found))
    says = f"{_describe_machine(recorded)}; here {_describe_machine(found)}"
    return Finding("machine", "differs", says)


def _describe_machine(machine: Mapping[str, Any]) -> str:
    threads = machine.get("threads") or machine.get("default_threads")
    return f"{machine.get('device')} {machine.get('chip')}, threads {threads}"


def compare_outputs(
    recorded: Mapping[str, str] | None, found: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Compare by DVC's md5 what the steps made before any training."""
    return tuple(
        _compare_output(what, None if recorded is None else recorded.get(path), found.get(path))
        for what, path in _OUTPUTS.items()
    )


def _compare_output(what: str, recorded: str | None, found: str | None) -> Finding:
    if recorded is None or found is None:
        return Finding(what, "unknown", "its md5 was not recorded")
    if recorded == found:
        return Finding(what, "same", f"md5 {found.removesuffix('.dir')[:16]}")
    return Finding(what, "differs", f"md5 {recorded[:16]}, now {found[:16]}")


def compare_bundle(what: str, digest: str | None, recorded: Path | None, found: Path) -> Finding:
    """Compare a bundle with its recorded digest, and where that differs with the recorded files.

    `recorded` is None where the files are lost.
    """
    now = read_digest(found)
    if now == digest:
        return Finding(what, "same", f"digest {now[:16]}")
    if digest is None:
        return Finding(what, "unknown", "its digest was not recorded")
    if recorded is None:
        return Finding(what, "differs", f"digest {digest[:16]}, now {now[:16]}")
    return Finding(what, "differs", describe_bundle_difference(recorded, found))


def describe_bundle_difference(recorded: Path, found: Path) -> str:
    """Say in what two bundles differ: files, and the weights' largest difference."""
    old, new = read_json(recorded / MANIFEST), read_json(found / MANIFEST)
    files = [
        name
        for name in sorted(old["files"].keys() | new["files"].keys())
        if old["files"].get(name) != new["files"].get(name)
    ]
    told = sorted(
        f"{name}.{key}"
        for name in ("params", "inputs", "facts")
        for key in old[name].keys() | new[name].keys()
        if old[name].get(key) != new[name].get(key)
    )
    if old["family"] != new["family"]:
        return f"family {old['family']}, now {new['family']}"
    if not files:
        return f"every file is the same, its manifest tells of another {_list(told)}"
    weights = _describe_weights(recorded, found) if WEIGHTS in files else "the same weights"
    return f"{weights}; {len(files)} files differ: {_list(files)}"


def _describe_weights(recorded: Path, found: Path) -> str:
    old, new = load_file(recorded / WEIGHTS), load_file(found / WEIGHTS)
    if {n: a.shape for n, a in old.items()} != {n: a.shape for n, a in new.items()}:
        return "weights of other shapes"
    gaps = [
        float(np.max(np.abs(old[name].astype(np.float64) - new[name].astype(np.float64))))
        for name in old
        if old[name].size
    ]
    return f"weights differ by {max(gaps, default=0.0):.2g} at most"


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"

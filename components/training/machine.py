"""Where a bundle was learnt: device, threads and packages, on which its last digits depend.

Kept beside the results, by the bundle's digest: the same inputs give the same bytes on machines
that are alike, so what sets machines apart must not be in the bytes.
"""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from components.files import read_json, write_json
from components.paths import Workspace
from components.settings import Settings

_PACKAGES = ("numpy", "pandas", "pillow", "pyarrow", "safetensors", "torch", "torchvision")


def note_machine(workspace: Workspace, digest: str, device: str, settings: Settings) -> None:
    """Remember where the bundle of this digest was learnt; the last one who learnt it counts."""
    write_json(_find(workspace, digest), describe_machine(device, settings))


def recall_machine(workspace: Workspace, digest: str) -> dict[str, Any] | None:
    """Return where a bundle was learnt; None if that was elsewhere, or the cache is gone."""
    path = _find(workspace, digest)
    return read_json(path) if path.is_file() else None


def describe_machine(device: str, settings: Settings) -> dict[str, Any]:
    """Return what a fit's last digits depend on: `threads` is what was asked for, if anything.

    `default_threads` is what torch takes where nobody asks, `chip` the instructions that it uses
    on the CPU, or the name of the GPU.
    """
    import torch

    chip = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else str(torch.backends.cpu.get_cpu_capability())
    )
    return {
        "device": device,
        "chip": chip,
        "threads": settings.threads,
        "default_threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _find(workspace: Workspace, digest: str) -> Path:
    return workspace.cache / "machines" / f"{digest}.json"

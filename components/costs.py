"""What a step cost this machine: memory and device, told beside its outputs and never in them."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.errors import CorruptFileError
from components.files import read_json, write_json
from components.paths import Workspace

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class StepCost:
    """The most memory that a step's own process held at once, in MB, and where its tensors lived.

    `device` is "cpu" or a GPU's name, `device_memory_mb` what tensors took of the latter; a number
    that this machine does not tell is None.
    """

    memory_mb: float | None
    device: str
    device_memory_mb: float | None = None


def measure_process() -> StepCost:
    """Return what this process has cost so far."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return StepCost(_read_peak(), "cpu")
    held = torch.cuda.max_memory_allocated() / 1e6
    return StepCost(_read_peak(), str(torch.cuda.get_device_name()), held)


def write_cost(workspace: Workspace, step: str, cost: StepCost) -> None:
    """Leave a step's cost for whoever started it."""
    write_json(workspace.step_cost(step), asdict(cost))


def read_cost(workspace: Workspace, step: str) -> StepCost | None:
    """Return what a step's last run cost; None where nobody told."""
    path = workspace.step_cost(step)
    if not path.is_file():
        return None
    try:
        return StepCost(**read_json(path))
    except TypeError as error:
        raise CorruptFileError(f"{path} is no cost of a step ({error}); remove it") from error


def _read_peak() -> float | None:
    # Not getrusage: that one remembers what stood in this process's place before exec.
    if not _STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
    kilobytes = lines.get("VmHWM", "").split()
    return int(kilobytes[0]) * 1024 / 1e6 if kilobytes else None

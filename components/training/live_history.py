"""The training history as it happens: one JSON line an epoch, each exactly once."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from components.files import write_bytes

Phase = Literal["search", "evaluation", "served"]


@dataclass(frozen=True)
class Epoch:
    """One epoch; `rmse` is on the valid rows, None where there are none."""

    phase: Phase
    epoch: int
    train_rmse: float
    rmse: float | None


class LiveHistory:
    """Appends epochs to a file that somebody may be reading at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def restart(self, phase: Phase, known: Iterable[Epoch]) -> None:
        """Drop what stands there of a phase, except the epochs already `known`, before it goes on.

        The search is the first phase: it begins a new history.
        """
        kept = [] if phase == "search" else [e for e in self.read() if e.phase != phase]
        lines = "".join(_line(epoch) for epoch in [*kept, *known])
        write_bytes(self._path, lines.encode())

    def append(self, epoch: Epoch) -> None:
        """Write one epoch, visible at once."""
        with self._path.open("a") as file:
            file.write(_line(epoch))

    def read(self) -> list[Epoch]:
        """Return the epochs that stand there; a line cut short by a kill is no epoch."""
        if not self._path.exists():
            return []
        lines = self._path.read_text().splitlines(keepends=True)
        return [Epoch(**json.loads(line)) for line in lines if line.endswith("\n")]


def _line(epoch: Epoch) -> str:
    return f"{json.dumps(asdict(epoch), allow_nan=False)}\n"

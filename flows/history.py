"""The training history as it grows: each line read once, whatever happens to the file meanwhile."""

import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from components.errors import DataError

PHASE = "search"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Point:
    """One value of one metric at one step; metrics of the training are named `phase/name`."""

    name: str
    step: int
    value: float

    @property
    def phase(self) -> str:
        """The part of the name before the first slash."""
        return self.name.partition("/")[0]


class HistoryFile:
    """Reads a file of JSON lines (phase, epoch and numbers) while a trainer appends to it.

    What the file held when it was opened is an earlier training's, unless the trainer goes on
    with it: so nothing is read before the file changes, and then all of it. A file that was
    replaced or cut is read from its beginning again: what reads must bear to see a point twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ignored = _look(path)
        self._inode = 0
        self._offset = 0

    def read(self) -> list[Point]:
        """Return the points of the lines that were completed since the last call."""
        try:
            with self._path.open("rb") as file:
                state = os.fstat(file.fileno())
                if _identify(state) == self._ignored:
                    return []
                self._ignored = None
                if state.st_ino != self._inode or state.st_size < self._offset:
                    self._inode, self._offset = state.st_ino, 0
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        return [point for line in complete.splitlines() for point in _read_line(line)]


def read_points(row: Mapping[str, Any]) -> list[Point]:
    """Return the points of one epoch: `phase/name` for each number beside phase and epoch.

    NaN is a number here, for whoever logs it to refuse; null and texts are left out.
    """
    return [
        Point(f"{row['phase']}/{name}", int(row["epoch"]), float(value))
        for name, value in row.items()
        if name not in ("phase", "epoch")
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ]


def read_table(path: Path) -> list[Point]:
    """Return the points of a finished history.csv (epoch and numbers; an empty cell is left out).

    It holds the epochs of the search for the number of epochs, under the same names as the lines.
    """
    points = []
    for row in pd.read_csv(path).to_dict("records"):
        present = {str(name): value for name, value in row.items() if pd.notna(value)}
        points += read_points({"phase": PHASE, **present})
    return points


def refuse_non_finite(point: Point) -> None:
    """Raise DataError for a metric that is NaN or infinite: MLflow would keep it in silence."""
    if not math.isfinite(point.value):
        raise DataError(
            f"metric {point.name} is {point.value} at step {point.step}; a number that is not "
            "finite is no result: lower the family's learning_rate in params.yaml, or look at "
            "the data"
        )


def _read_line(line: bytes) -> list[Point]:
    try:
        return read_points(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError):
        # The end of a line that a killed trainer began; the epoch comes again after the resume.
        log.warning("training history has a broken line bytes=%d", len(line))
        return []


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        return _identify(path.stat())
    except FileNotFoundError:
        return None


def _identify(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_ino, state.st_size, state.st_mtime_ns

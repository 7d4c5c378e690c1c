"""What one rule of the gate finds, and how its numbers read."""

import math
from dataclasses import dataclass
from typing import Literal

from components.statistics import Interval

Decision = Literal["promote", "reject", "inconclusive"]


@dataclass(frozen=True)
class Finding:
    """What one rule says by itself, in words and numbers; the strictest one decides."""

    decision: Decision
    reason: str


@dataclass(frozen=True)
class Versus:
    """The numbers of the candidate beside another model, on some rows."""

    other: str
    candidate_rmse: Interval
    other_rmse: Interval
    difference: Interval
    level: float
    rows: int
    users: int

    @property
    def is_finite(self) -> bool:
        """Whether both models and their difference have finite numbers, intervals included."""
        return all(map(is_finite, (self.candidate_rmse, self.other_rmse, self.difference)))

    def __str__(self) -> str:
        difference = self.difference
        return (
            f"RMSE {self.candidate_rmse.value:.4f}, {self.other} {self.other_rmse.value:.4f}, "
            f"difference {difference.value:+.4f} ({self.level:.4g} interval {difference.low:+.4f} "
            f"to {difference.high:+.4f}, {self.rows:,} rows of {self.users:,} users)"
        )


def is_finite(interval: Interval) -> bool:
    """Whether all three numbers of an interval are finite."""
    return all(map(math.isfinite, (interval.value, interval.low, interval.high)))

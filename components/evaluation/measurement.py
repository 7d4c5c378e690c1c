"""What is measured of a model on the test rows, with intervals by users."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from components.evaluation.accuracy import mae, squared_errors
from components.evaluation.lists import ListQuality
from components.models.catalogue import Bools, Floats
from components.params import Evaluate
from components.statistics import Interval, bootstrap_rmse, paired_bootstrap


@dataclass(frozen=True)
class Truth:
    """The N test rows: dense codes of their users, and the ratings given."""

    users_N: np.ndarray
    ratings_N: Floats

    @classmethod
    def of(cls, test: pd.DataFrame) -> "Truth":
        """Read the rows of a test table."""
        codes = pd.factorize(test["user_id"], sort=True)[0]
        return cls(codes, test["rating"].to_numpy(np.float32))

    def only(self, rows_N: Bools) -> "Truth":
        """Return some of the rows."""
        return Truth(self.users_N[rows_N], self.ratings_N[rows_N])

    def rmse(self, predicted_N: Floats, evaluate: Evaluate) -> Interval:
        """Return the RMSE with its interval by users."""
        errors_N = squared_errors(self.ratings_N, predicted_N)
        return bootstrap_rmse(self.users_N, errors_N, **_drawing(evaluate))

    def gain(self, predicted_N: Floats, other_N: Floats, evaluate: Evaluate) -> Interval:
        """Return RMSE − RMSE of the other, with its paired interval; below zero is better."""
        return paired_bootstrap(
            self.users_N,
            squared_errors(self.ratings_N, predicted_N),
            squared_errors(self.ratings_N, other_N),
            **_drawing(evaluate),
        )


def _drawing(evaluate: Evaluate) -> dict[str, Any]:
    return {"draws": evaluate.bootstrap, "level": evaluate.level, "seed": evaluate.seed}


@dataclass(frozen=True)
class Measurement:
    """One model on the test rows."""

    name: str
    rmse: Interval
    mae: float
    lists: ListQuality | None = None

    @classmethod
    def of(
        cls,
        name: str,
        truth: Truth,
        predicted_N: Floats,
        evaluate: Evaluate,
        lists: ListQuality | None = None,
    ) -> "Measurement":
        """Measure predictions of all rows of `truth`."""
        interval = truth.rmse(predicted_N, evaluate)
        return cls(name, interval, mae(truth.ratings_N, predicted_N), lists)

    def to_json(self) -> dict[str, float | None]:
        """Return the numbers by name; what is not finite is None."""
        numbers = {
            "rmse": self.rmse.value,
            "rmse_low": self.rmse.low,
            "rmse_high": self.rmse.high,
            "mae": self.mae,
        }
        if self.lists is not None:
            numbers |= vars(self.lists)
        return {name: finite_or_none(value) for name, value in numbers.items()}


@dataclass(frozen=True)
class SliceMeasurement:
    """The candidate on a part of the rows, beside the best rung there."""

    name: str
    rows: int
    rmse: Interval
    biases: Interval
    gain: Interval


def measure_slices(
    slices: dict[str, Bools],
    truth: Truth,
    predicted_N: Floats,
    biases_N: Floats,
    evaluate: Evaluate,
) -> list[SliceMeasurement]:
    """Measure each slice, with the biases beside it and the paired difference to them."""
    measured = []
    for name, rows_N in slices.items():
        part = truth.only(rows_N)
        measured.append(
            SliceMeasurement(
                name,
                int(rows_N.sum()),
                part.rmse(predicted_N[rows_N], evaluate),
                part.rmse(biases_N[rows_N], evaluate),
                part.gain(predicted_N[rows_N], biases_N[rows_N], evaluate),
            )
        )
    return measured


def finite_or_none(value: float) -> float | None:
    """Return a number as JSON can hold it."""
    return value if math.isfinite(value) else None

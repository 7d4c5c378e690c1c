"""How far predicted ratings lie from the true ones: RMSE and MAE."""

import numpy as np

from components.models.catalogue import Floats


def rmse(truth_N: Floats, predicted_N: Floats) -> float:
    """Return √(Σ (r − r̂)² / N), in rating points; NaN without rows.

    Herlocker et al. (2004), "Evaluating collaborative filtering recommender systems", 4.1.
    """
    return float(np.sqrt(_mean(squared_errors(truth_N, predicted_N))))


def mae(truth_N: Floats, predicted_N: Floats) -> float:
    """Return Σ |r − r̂| / N, in rating points; NaN without rows. Source as for `rmse`."""
    return _mean(np.abs(truth_N.astype(np.float64) - predicted_N))


def squared_errors(truth_N: Floats, predicted_N: Floats) -> np.ndarray:
    """Return (r − r̂)² of each row, in float64."""
    return np.square(truth_N.astype(np.float64) - predicted_N)


def _mean(values_N: np.ndarray) -> float:
    return float(values_N.mean()) if len(values_N) else float("nan")

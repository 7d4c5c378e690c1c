"""Confidence intervals by resampling users: a user's ratings are not independent of one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.integer]
Reals = npt.NDArray[np.floating]

_DRAWS_AT_ONCE_CELLS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A value measured on all rows and the percentile interval of its resampled values."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, resampled_T: Reals, level: float) -> "Interval":
        """Return the percentile interval of T resampled values; NaN if one is not finite."""
        if not (np.isfinite(value) and np.isfinite(resampled_T).all()):
            return cls(float("nan"), float("nan"), float("nan"))
        low, high = np.quantile(resampled_T, [(1 - level) / 2, (1 + level) / 2])
        return cls(float(value), float(low), float(high))


def bootstrap_rmse(
    users: Codes, squared_errors: Reals, *, draws: int, level: float, seed: int
) -> Interval:
    """Return the RMSE of N rows and its interval at `level`, resampling whole users.

    `users` are non-negative codes, one a row. Cluster bootstrap with percentile interval: Davison
    and Hinkley (1997), "Bootstrap Methods and their Application", section 3.8. Without rows, or
    with an error that is not finite, all three numbers are NaN.
    """
    value_M, resampled_TM = resample_rmse(users, [squared_errors], draws=draws, seed=seed)
    return Interval.of(value_M[0], resampled_TM[:, 0], level)


def paired_bootstrap(
    users: Codes,
    squared_errors_a: Reals,
    squared_errors_b: Reals,
    *,
    draws: int,
    level: float,
    seed: int,
) -> Interval:
    """Return RMSE(a) − RMSE(b) on the same N rows and its interval, resampling whole users.

    Both models are measured on the same resampled users, so what makes a user hard for both
    cancels. Edge rules as in `bootstrap_rmse`.
    """
    value_M, resampled_TM = resample_rmse(
        users, [squared_errors_a, squared_errors_b], draws=draws, seed=seed
    )
    return Interval.of(value_M[0] - value_M[1], resampled_TM[:, 0] - resampled_TM[:, 1], level)


def resample_rmse(
    users: Codes, squared_errors: Sequence[Reals], *, draws: int, seed: int
) -> tuple[Reals, Reals]:
    """Return the RMSE (M,) of M predictions of the same N rows, and those (draws, M) resampled.

    Each draw takes as many users as there are, with replacement, the same ones for all M. NaN
    without rows, and for a prediction with an error that is not finite.
    """
    sums_UM, rows_U = _sum_by_user(users, squared_errors)
    bad_M = ~np.isfinite(sums_UM).all(0)
    sums_UM[:, bad_M] = 0  # a product with infinity would warn
    value_M = _rmse(sums_UM.sum(0), rows_U.sum())
    resampled_TM = _resample_rmse(sums_UM, rows_U, draws, seed)
    value_M[bad_M], resampled_TM[:, bad_M] = np.nan, np.nan
    return value_M, resampled_TM


def _sum_by_user(users: Codes, columns: Sequence[Reals]) -> tuple[Reals, Reals]:
    """Return the sums (U, M) of M columns by user and the rows (U,) that each user has."""
    for column in columns:
        if len(column) != len(users):
            raise ValueError(f"{len(users)} users and {len(column)} errors: they must be one a row")
    _, codes = np.unique(users, return_inverse=True)
    rows_U = np.bincount(codes).astype(np.float64)
    sums = [np.bincount(codes, weights=np.asarray(column, np.float64)) for column in columns]
    return np.stack(sums, axis=1), rows_U


def _resample_rmse(sums_UM: Reals, rows_U: Reals, draws: int, seed: int) -> Reals:
    """Return the RMSE (draws, M) of each draw of U users with replacement."""
    users = len(rows_U)
    if users == 0:
        return np.full((draws, sums_UM.shape[1]), np.nan)
    generator = np.random.default_rng(seed)
    share_U = np.full(users, 1 / users)
    # In blocks, so that memory does not grow with draws × users.
    block = max(1, _DRAWS_AT_ONCE_CELLS // users)
    parts = []
    for start in range(0, draws, block):
        times_TU = generator.multinomial(users, share_U, size=min(block, draws - start))
        parts.append(_rmse(times_TU @ sums_UM, (times_TU @ rows_U)[:, None]))
    return np.concatenate(parts)


def _rmse(sums: Reals, rows: Reals | float) -> Reals:
    if np.any(np.asarray(rows) == 0):
        return np.full(np.shape(sums), np.nan)
    return np.sqrt(sums / rows)

"""How far off a version's answers are in service, beside what its evaluation promised.

N ratings, T draws
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.monitoring.checks import Finding
from components.monitoring.reference import Rated
from components.monitoring.resampling import Pool
from components.statistics import Interval, Reals, bootstrap_rmse


@dataclass(frozen=True)
class Course:
    """One stretch of a version's ratings, in the order in which they came."""

    version: str
    since: float
    until: float
    ratings: int
    rmse: float


def measure(rated: Rated, *, draws: int, level: float, seed: int) -> Interval:
    """Return the RMSE of ratings given in service, with its interval by users."""
    errors_N = rated.squared_errors
    return bootstrap_rmse(rated.users_N, errors_N, draws=draws, level=level, seed=seed)


def trace_course(
    version: str, times_N: Sequence[float], squared_errors_N: Reals, stretch: int
) -> list[Course]:
    """Return the RMSE of each `stretch` ratings, counted from the newest back, in order of time.

    The oldest has half as many at least, or all that there are.
    """
    order = np.argsort(times_N, kind="stable")
    times, errors = np.asarray(times_N, np.float64)[order], squared_errors_N[order]
    found: list[Course] = []
    for end in range(len(times), 0, -stretch):
        start = max(end - stretch, 0)
        if found and end - start < stretch / 2:
            break
        rmse = float(np.sqrt(errors[start:end].mean()))
        since, until = float(times[start]), float(times[end - 1])
        found.append(Course(version, since, until, end - start, rmse))
    return found[::-1]


def find_rise(online: Rated, promised: Rated, *, least: float, draws: int, seed: int) -> Finding:
    """Return how far the RMSE in service lies above the promised one, in rating points.

    The draws are of a rise that is `least` in truth: only what is surely larger is an alarm. They
    are drawn from the test, whose many users know their tail better than the few in service.
    """
    errors_N = promised.squared_errors
    value = _rmse(online.squared_errors) - _rmse(errors_N)
    pool = Pool.of(promised.users_N)
    sums_U2 = pool.sum_by_user(np.stack([errors_N, np.ones(len(errors_N))], axis=1))
    unchanged = []
    for draw in pool.draw(online.users_N, draws, seed):
        sum_T, rows_T = (draw.times_TU @ sums_U2).T
        unchanged.append(_rmse(errors_N[draw.rows_TM]) - np.sqrt(sum_T / rows_T))
    drawn_T = least + np.concatenate(unchanged)
    return Finding("rmse", float(value), drawn_T, least, len(online), len(promised))


def _rmse(squared_errors: Reals) -> Reals:
    root: Reals = np.sqrt(squared_errors.mean(-1))
    return root

"""Two models on many groups of the same rows: both RMSE and their difference, by resampling users.

    N rows, U users, T draws, G groups of rows

The difference gets a studentised interval (bootstrap-t: Davison and Hinkley, 1997, "Bootstrap
Methods and their Application", section 5.2; Hall, 1988, "Theoretical comparison of bootstrap
confidence intervals"): each draw's difference is divided by that draw's own standard error. Where
a few users account for most of a difference, percentile intervals promise too much; see
docs/decisions.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.statistics import Codes, Interval, Reals

Bools = npt.NDArray[np.bool_]

_DRAWS_AT_ONCE_CELLS = 4_000_000
# What rounding leaves of a variance that is zero, as a share of the terms that cancel.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class Contrast:
    """Two models, a and b, on one group of rows.

    `a` and `b` are their RMSE with percentile intervals, `difference` is RMSE(a) − RMSE(b) with
    the studentised one. `error` is its standard error, and `pulls_T` holds by how many of its own
    standard errors each draw's difference lies above the measured one.
    """

    rows: int
    users: int
    a: Interval
    b: Interval
    difference: Interval
    error: float
    pulls_T: Reals


def contrast(
    users: Codes,
    squared_errors_a: Reals,
    squared_errors_b: Reals,
    groups: Mapping[str, Bools],
    *,
    draws: int,
    level: float,
    seed: int,
) -> dict[str, Contrast]:
    """Return the contrast of two models on each group of the same N rows.

    Every draw takes whole users, as many as there are, the same ones for both models and for all
    groups. NaN where a group has no rows or an error that is not finite; the difference has no
    interval below two users.
    """
    codes = np.unique(users, return_inverse=True)[1]
    count = int(codes.max()) + 1 if len(codes) else 0
    sums = {
        name: _Sums.of(codes[rows], squared_errors_a[rows], squared_errors_b[rows], count)
        for name, rows in groups.items()
    }
    resampled: dict[str, list[_Moments]] = {name: [] for name in groups}
    for times_TU in _draw_users(count, draws, seed):
        for name, group in sums.items():
            resampled[name].append(group.moments(times_TU))
    return {name: _conclude(group, resampled[name], level) for name, group in sums.items()}


def floors(contrasts: Iterable[Contrast], level: float) -> list[float]:
    """Return what each difference exceeds, with all of them looked at together.

    One-sided, as the lower ends of the intervals are, but for all at once: by chance, at most
    (1 − level) / 2 of such families hold even one floor that lies too high. Single-step max-t
    (Romano and Wolf, 2005, "Exact and approximate stepdown methods for multiple hypothesis
    testing"): the joint draws know how the groups overlap, so this is narrower than Bonferroni's.
    NaN where a difference has no interval.
    """
    family = list(contrasts)
    pulls = [one.pulls_T for one in family if np.isfinite(one.difference.low)]
    if not pulls:
        return [float("nan")] * len(family)
    pull = float(np.quantile(np.max(pulls, axis=0), (1 + level) / 2, method="higher"))
    return [
        one.difference.value - pull * one.error if np.isfinite(one.difference.low) else float("nan")
        for one in family
    ]


@dataclass(frozen=True)
class _Moments:
    """The rows and sums of squared errors of T draws, and the sums of their products by user."""

    n: Reals
    a: Reals
    b: Reals
    nn: Reals
    aa: Reals
    bb: Reals
    ab: Reals
    an: Reals
    bn: Reals

    @property
    def rmse_a(self) -> Reals:
        return _root_mean(self.a, self.n)

    @property
    def rmse_b(self) -> Reals:
        return _root_mean(self.b, self.n)

    @property
    def error(self) -> Reals:
        """The standard error of RMSE(a) − RMSE(b), by linearisation over users.

        A user's influence is α·a − β·b − γ·n with α = 1 / (2 n RMSE(a)), β = 1 / (2 n RMSE(b)) and
        γ = (RMSE(a) − RMSE(b)) / (2 n); the influences sum to zero, and the sum of their squares
        is the variance.
        """
        alpha = _share(0.5, self.n * self.rmse_a)
        beta = _share(0.5, self.n * self.rmse_b)
        gamma = _share(0.5 * (self.rmse_a - self.rmse_b), self.n)
        gross = alpha**2 * self.aa + beta**2 * self.bb + gamma**2 * self.nn
        mixed = alpha * beta * self.ab + alpha * gamma * self.an - beta * gamma * self.bn
        variance = gross - 2 * mixed
        return np.sqrt(np.where(variance > _ROUNDING * gross, variance, 0.0))


@dataclass(frozen=True)
class _Sums:
    """What each of U users adds to a group: rows, and both models' squared errors."""

    n_U: Reals
    a_U: Reals
    b_U: Reals
    is_finite_a: bool
    is_finite_b: bool

    @classmethod
    def of(cls, codes: Codes, a_N: Reals, b_N: Reals, users: int) -> "_Sums":
        def add(errors_N: Reals) -> tuple[Reals, bool]:
            sums_U = np.bincount(codes, np.asarray(errors_N, np.float64), users).astype(np.float64)
            is_finite = bool(np.isfinite(sums_U).all())
            return (sums_U if is_finite else np.zeros(users)), is_finite

        (a_U, is_finite_a), (b_U, is_finite_b) = add(a_N), add(b_N)
        rows_U = np.bincount(codes, minlength=users).astype(np.float64)
        return cls(rows_U, a_U, b_U, is_finite_a, is_finite_b)

    @property
    def users(self) -> int:
        return int((self.n_U > 0).sum())

    def moments(self, times_TU: Reals) -> _Moments:
        """Return the moments of draws that take user u `times_TU[t, u]` times."""
        n, a, b = self.n_U, self.a_U, self.b_U
        columns = np.stack([n, a, b, n * n, a * a, b * b, a * b, a * n, b * n], axis=1)
        return _Moments(*(times_TU @ columns).T)


def _draw_users(users: int, draws: int, seed: int) -> Iterable[Reals]:
    """Yield how often each draw takes each user, in blocks, so that memory does not grow."""
    generator = np.random.default_rng(seed)
    block = max(1, _DRAWS_AT_ONCE_CELLS // max(users, 1))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        if users:
            yield generator.multinomial(users, np.full(users, 1 / users), size).astype(np.float64)
        else:
            yield np.zeros((size, 0))


def _conclude(group: _Sums, parts: list[_Moments], level: float) -> Contrast:
    names = _Moments.__dataclass_fields__
    drawn = _Moments(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    measured = group.moments(np.ones((1, len(group.n_U))))
    # A draw may hold none of a small group's users; what is left is the group as drawn.
    has_rows_T = drawn.n > 0
    difference = float((measured.rmse_a - measured.rmse_b)[0])
    error = float(measured.error[0])
    pulls_T = _studentise(drawn.rmse_a - drawn.rmse_b - difference, drawn.error)
    pulls_T[~has_rows_T] = 0.0
    is_finite = group.is_finite_a and group.is_finite_b
    return Contrast(
        rows=int(measured.n[0]),
        users=group.users,
        a=_percentile(measured.rmse_a, drawn.rmse_a[has_rows_T], level, group.is_finite_a),
        b=_percentile(measured.rmse_b, drawn.rmse_b[has_rows_T], level, group.is_finite_b),
        difference=_interval(difference, error, pulls_T, level, group.users) if is_finite else _NAN,
        error=error,
        pulls_T=pulls_T,
    )


_NAN = Interval(float("nan"), float("nan"), float("nan"))


def _studentise(differences_T: Reals, errors_T: Reals) -> Reals:
    """Return each draw's difference in its own standard errors; infinite where it has none."""
    is_zero = np.abs(differences_T) <= _ROUNDING
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(is_zero, 0.0, differences_T / errors_T)


def _interval(value: float, error: float, pulls_T: Reals, level: float, users: int) -> Interval:
    if users < 2 or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    if error == 0:  # every user says the same
        return Interval(value, value, value)
    down = np.quantile(pulls_T, (1 + level) / 2, method="higher")
    up = np.quantile(pulls_T, (1 - level) / 2, method="lower")
    if not np.isfinite([down, up]).all():
        return Interval(value, float("nan"), float("nan"))
    return Interval(value, float(value - down * error), float(value - up * error))


def _percentile(value: Reals, resampled_T: Reals, level: float, is_finite: bool) -> Interval:
    if not (is_finite and len(resampled_T)):
        return _NAN
    return Interval.of(float(value[0]), resampled_T, level)


def _root_mean(sums: Reals, rows: Reals) -> Reals:
    return np.sqrt(_share(sums, rows, empty=np.nan))


def _share(numerator: Reals | float, denominator: Reals, empty: float = 0.0) -> Reals:
    """Divide, with `empty` where the denominator is zero."""
    filled = np.full(np.shape(denominator), empty)
    return np.divide(numerator, denominator, out=filled, where=denominator != 0)

"""The search itself: trial after trial, until there are enough or the time is up."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from components.errors import TrainingError
from components.tuning.spaces import Values
from components.tuning.study import Attempt, Study, Tried, find_values

Hear = Callable[[int, float], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """When a search ends: at so many trials of the study in all, or after so many seconds."""

    trials: int
    seconds: float


@dataclass(frozen=True)
class Fitted:
    """What a fit came to: the best RMSE on the valid rows, and the epochs until then."""

    rmse: float
    epochs: int


# Fits one set of values; calls `Hear` with each epoch and its RMSE, which may raise to end the fit.
Fit = Callable[[Values, Hear], Fitted]


class _HopelessError(Exception):
    """Most other trials stood better after as many epochs."""


class _TimeUpError(Exception):
    """The search's time is up in the middle of a trial."""


def search(
    study: Study, present: Values, fit: Fit, limits: Limits, on_tried: Callable[[Tried], None]
) -> None:
    """Try the present values first, then what the study suggests; `on_tried` hears of each.

    The present values are tried to their end even beyond the limits; another trial that the time
    cuts off stays in the study, to be begun again by the next search.
    """
    ends = time.monotonic() + limits.seconds
    study.resume(present)
    while True:
        is_known = find_values(study.tried(), present) is not None
        if is_known and (len(study.tried()) >= limits.trials or time.monotonic() >= ends):
            break
        attempt = study.begin()
        try:
            _try(attempt, fit, ends if is_known else math.inf)
        except _TimeUpError:
            log.info("time is up, the trial stays for the next search")
            break
        on_tried(next(tried for tried in study.tried() if tried.number == attempt.number))


def _try(attempt: Attempt, fit: Fit, ends: float) -> None:
    started = time.monotonic()

    def hear(epoch: int, rmse: float) -> None:
        if attempt.is_hopeless(epoch, rmse):
            raise _HopelessError
        if time.monotonic() >= ends:
            raise _TimeUpError

    try:
        fitted = fit(attempt.values, hear)
    except _HopelessError:
        attempt.prune(time.monotonic() - started)
    except TrainingError as error:
        log.info("trial diverged values=%s why=%s", attempt.values, error)
        attempt.diverge(time.monotonic() - started)
    else:
        seconds = time.monotonic() - started
        if math.isfinite(fitted.rmse):
            attempt.complete(fitted.rmse, fitted.epochs, seconds)
        else:
            attempt.diverge(seconds)

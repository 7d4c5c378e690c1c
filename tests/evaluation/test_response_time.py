"""The time to a list."""

import math

import pytest

from components.evaluation.response_time import time_lists
from components.models.predictor import Predictor


def test_every_request_is_timed_and_the_slowest_tell_the_tail(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [*predictor.bundle.users.user_ids[:9], None]
    waits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000]
    ticks = iter([tick for n, wait in enumerate(waits) for tick in (n * 10.0, n * 10 + wait / 1e3)])
    monkeypatch.setattr(
        "components.evaluation.response_time.time.perf_counter", lambda: next(ticks)
    )
    found = time_lists(predictor, users, 5)
    assert found.requests == 10
    assert found.median_ms == pytest.approx(5.5)
    assert 900 < found.p99_ms < 1000


def test_real_clock_gives_times_above_zero(predictor: Predictor) -> None:
    found = time_lists(predictor, predictor.bundle.users.user_ids[:5], 3)
    assert 0 < found.median_ms <= found.p99_ms


def test_nobody_asked_is_nan(predictor: Predictor) -> None:
    found = time_lists(predictor, [], 3)
    assert found.requests == 0
    assert math.isnan(found.median_ms)
    assert math.isnan(found.p99_ms)

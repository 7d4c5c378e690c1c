"""The mood of a session: past ratings only, and fading."""

import numpy as np
import pytest

from components.models.session import Session

TIMES = np.array([1_000, 1_600])
LEFTOVER = np.array([1.0, -0.5], np.float32)


def test_offset_is_the_shrunk_kernel_mean() -> None:
    old, new = np.exp(-1200 / 600), np.exp(-600 / 600)
    expected = (old * 1.0 - new * 0.5) / (old + new + 2)
    assert Session(600, 2).read(TIMES, LEFTOVER, 2_200) == pytest.approx(expected)


@pytest.mark.parametrize("now", [None, 10**12])
def test_regardless_of_time_or_long_after_there_is_none(now: int | None) -> None:
    assert Session(600, 2).read(TIMES, LEFTOVER, now) == 0


def test_ratings_of_the_future_tell_nothing() -> None:
    early = Session(600, 2).read(TIMES, LEFTOVER, 1_100)
    assert early == Session(600, 2).read(TIMES[:1], LEFTOVER[:1], 1_100)
    assert Session(600, 2).read(TIMES, LEFTOVER, 999) == 0


def test_without_ratings_there_is_none() -> None:
    assert Session(600, 2).read(np.zeros(0, np.int64), np.zeros(0, np.float32), 5) == 0

"""The mood of a session: past ratings only, and fading with ratings and time."""

import numpy as np
import pytest

from components.models.session import Session

TIMES = np.array([1_000, 1_600])
LEFTOVERS = np.array([[1.0, 0.0], [-0.5, 2.0]])
SESSION = Session(ratings=5, seconds=600, prior=2)


def test_offset_is_the_shrunk_kernel_mean() -> None:
    old, new = np.exp(-1 / 5 - 1200 / 600), np.exp(-600 / 600)
    expected = (old * LEFTOVERS[0] + new * LEFTOVERS[1]) / (old + new + 2)
    np.testing.assert_allclose(SESSION.read(TIMES, LEFTOVERS, 2_200), expected)


@pytest.mark.parametrize("now", [None, 10**12])
def test_regardless_of_time_or_long_after_there_is_none(now: int | None) -> None:
    assert not SESSION.read(TIMES, LEFTOVERS, now).any()


def test_ratings_of_the_future_tell_nothing() -> None:
    early = SESSION.read(TIMES, LEFTOVERS, 1_100)
    np.testing.assert_array_equal(early, SESSION.read(TIMES[:1], LEFTOVERS[:1], 1_100))
    assert not SESSION.read(TIMES, LEFTOVERS, 999).any()


def test_order_within_a_second_does_not_matter() -> None:
    times = np.array([5, 5, 3])
    leftovers = np.array([[1.0], [3.0], [-2.0]])
    swapped = SESSION.read(times[[1, 0, 2]], leftovers[[1, 0, 2]], 9)
    np.testing.assert_allclose(SESSION.read(times, leftovers, 9), swapped)


def test_without_ratings_there_is_none() -> None:
    assert SESSION.read(np.zeros(0, np.int64), np.zeros((0, 2)), 5).tolist() == [0, 0]

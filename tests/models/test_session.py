"""The mood of a session: past ratings only, and fading with ratings and time."""

import numpy as np
import pytest

from components.models.session import Session, above_mean

TIMES = np.array([1_000, 1_600])
ABOVE = np.array([1.0, -0.5])
SESSION = Session(
    rates_F2=np.float32([[1 / 600, 0], [0, 1 / 5]]),
    weights_SF=np.float32([[1, 0], [0.5, 2]]),
    prior=2,
)


def test_offset_of_each_kind_weighs_the_shrunk_kernel_means() -> None:
    by_time = np.exp([-1200 / 600, -600 / 600])
    by_count = np.exp([-1 / 5, 0])
    levels = [kernel @ ABOVE / (kernel.sum() + 2) for kernel in (by_time, by_count)]
    expected = [levels[0], 0.5 * levels[0] + 2 * levels[1]]
    np.testing.assert_allclose(SESSION.read(TIMES, ABOVE, 2_200), expected, rtol=1e-5)


def test_regardless_of_time_there_is_none() -> None:
    assert not SESSION.read(TIMES, ABOVE, None).any()


def test_what_fades_by_the_clock_is_gone_long_after() -> None:
    assert SESSION.read(TIMES, ABOVE, 10**9)[0] == pytest.approx(0, abs=1e-9)


def test_ratings_of_the_future_and_of_the_same_second_tell_nothing() -> None:
    early = SESSION.read(TIMES, ABOVE, 1_600)
    np.testing.assert_array_equal(early, SESSION.read(TIMES[:1], ABOVE[:1], 1_600))
    assert not SESSION.read(TIMES, ABOVE, 1_000).any()


def test_order_within_a_second_does_not_matter() -> None:
    times, above = np.array([5, 5, 3]), np.array([1.0, 3.0, -2.0])
    swapped = SESSION.read(times[[1, 0, 2]], above[[1, 0, 2]], 9)
    np.testing.assert_allclose(SESSION.read(times, above, 9), swapped)


def test_without_ratings_there_is_none() -> None:
    assert SESSION.read(np.zeros(0, np.int64), np.zeros(0), 5).tolist() == [0, 0]


def test_mean_that_ratings_are_held_against_is_shrunk() -> None:
    above = above_mean(np.float32([5, 3]), mean=3.0, prior=2.0)
    np.testing.assert_allclose(above, [2 - 0.5, -0.5])
    assert above_mean(np.zeros(0, np.float32), 3.0, 2.0).shape == (0,)

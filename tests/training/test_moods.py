"""What a session's mood counts for, against reading one rating at a time."""

import numpy as np
import pytest

from components.models.catalogue import UserBook
from components.models.session import Session, above_mean
from components.training.moods import RATES_F2, read_moods, weigh_moods

MEAN, USER_PRIOR, PRIOR = 3.0, 2.0, 1.5


@pytest.fixture
def book() -> UserBook:
    drawn = np.random.default_rng(0)
    counts = [1, 7, 0, 40]
    times = [np.sort(drawn.integers(0, 30, count)) * 700 for count in counts]
    total = sum(counts)
    return UserBook(
        ("a", "b", "c", "d"),
        np.concatenate([[0], np.cumsum(counts)]),
        np.arange(total),
        drawn.integers(1, 6, total).astype(np.float32),
        np.concatenate(times),
    )


def test_one_walk_reads_what_is_read_rating_by_rating(book: UserBook) -> None:
    levels = read_moods(book, MEAN, USER_PRIOR, PRIOR)
    one_each = Session(RATES_F2, np.eye(len(RATES_F2), dtype=np.float32), PRIOR)
    for user in range(len(book)):
        history = book.history(user)
        above = above_mean(history.ratings_N, MEAN, USER_PRIOR)
        for row, now in enumerate(history.times_N.tolist()):
            expected = one_each.read(history.times_N, above, now)
            np.testing.assert_allclose(levels[book.offsets[user] + row], expected, atol=1e-5)
    assert np.abs(levels).max() > 0.1


def test_first_moment_of_a_user_has_no_mood(book: UserBook) -> None:
    levels = read_moods(book, MEAN, USER_PRIOR, PRIOR)
    assert not levels[book.offsets[[0, 1, 3]]].any()


def test_weights_are_those_that_made_the_errors_and_shrink_with_the_prior() -> None:
    drawn = np.random.default_rng(1)
    levels, made = drawn.normal(size=(500, 3)), np.array([0.5, -0.2, 0.0])
    errors = levels @ made + drawn.normal(size=500) * 0.01
    np.testing.assert_allclose(weigh_moods(levels, errors, 1e-6), made, atol=5e-3)
    strong = weigh_moods(levels, errors, 1e4)
    assert np.abs(strong).max() < 0.05

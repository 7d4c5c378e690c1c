"""The timeline: what was known just before each rating."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from components.family_params import Gru
from components.models.catalogue import UNKNOWN, Catalogue, History, UserBook
from components.models.protocol import Asker
from components.models.sequence import Reading
from components.training.fading import fade_levels
from components.training.timeline import Timeline

ITEMS, LENGTH = 5, 3
PRIOR, FADING_PRIOR = 2.0, 0.5
SCALES = (10.0, 1000.0)
RATES_F2 = np.array([(1 / seconds, 0.0) for seconds in SCALES])

RATED = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, ITEMS - 1),
        st.floats(-2, 2, width=32),
        st.sampled_from([0, 1, 2, 50, 51, 4000]),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: row[:2],
)


def make_book(rated: list[tuple[int, int, float, int]]) -> UserBook:
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)]})
    catalogue = Catalogue(items, np.zeros((ITEMS, 1), np.float32), np.zeros(ITEMS, bool))
    frame = pd.DataFrame(rated, columns=["user_id", "item_id", "rating", "timestamp"])
    frame = frame.assign(user_id="u" + frame.user_id.astype(str))
    return UserBook.from_ratings(frame.assign(item_id="i" + frame.item_id.astype(str)), catalogue)


def make_timeline(book: UserBook) -> Timeline:
    options = Gru.model_construct(bias_prior=PRIOR, fading_prior=FADING_PRIOR, scales=SCALES)
    return Timeline.of(book, book.ratings_N, options, "cpu")


@settings(deadline=None, max_examples=50)
@given(RATED)
def test_levels_of_the_walk_are_those_of_each_past_read_by_itself(
    rated: list[tuple[int, int, float, int]],
) -> None:
    book = make_book(rated)
    fading_NF, _ = fade_levels(book, book.ratings_N, RATES_F2, FADING_PRIOR)
    timeline = make_timeline(book)
    level_N = timeline.level(timeline.own_starts_N, timeline.pasts_N).numpy()
    reading = Reading(
        0.0, np.zeros(ITEMS, np.float32), PRIOR, FADING_PRIOR, np.array(SCALES), LENGTH
    )
    for user in range(len(book)):
        history = book.history(user)
        for rank in range(len(history)):
            past_N = history.times_N < history.times_N[rank]
            past = History(*(v[past_N] for v in vars(history).values()))
            asker = Asker(UNKNOWN, past, int(history.times_N[rank]))
            levels_G = reading.read([asker]).levels_BG[0]
            place = book.offsets[user] + rank
            np.testing.assert_allclose(fading_NF[place], levels_G[2:], atol=1e-5)
            np.testing.assert_allclose(level_N[place], levels_G[1], atol=1e-5)


@settings(deadline=None)
@given(RATED)
def test_past_ends_where_the_second_begins(rated: list[tuple[int, int, float, int]]) -> None:
    book = make_book(rated)
    pasts_N = make_timeline(book).pasts_N.tolist()
    for user in range(len(book)):
        times_N = book.history(user).times_N
        expected = [book.offsets[user] + (times_N < time).sum() for time in times_N]
        assert pasts_N[book.offsets[user] : book.offsets[user + 1]] == expected


def test_level_before_and_gap_begin_anew_with_each_user() -> None:
    book = make_book([(0, 0, 1.0, 5), (0, 1, -1.0, 9), (1, 0, 2.0, 1000), (1, 2, 0.5, 1003)])
    timeline = make_timeline(book)
    np.testing.assert_allclose(timeline.before_N, [0, 1 / 3, 0, 2 / 3], rtol=1e-6)
    assert timeline.gaps_N.tolist() == [0, 4, 0, 3]

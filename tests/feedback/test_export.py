"""Which ratings an export takes."""

from dataclasses import replace

import pandas as pd
import pytest

from components.feedback.events import Event
from components.feedback.export import Export
from components.feedback.log import FeedbackLog

RATING = Event("e1", "u1", "i1", "rating", 4.5, 1000)


def store(log: FeedbackLog, *sent: Event) -> None:
    log.submit("", sent).result(timeout=30)


def begin(log: FeedbackLog) -> Export:
    export = log.begin_export()
    assert export is not None
    return export


def test_ratings_are_taken_in_the_order_in_which_they_came_and_nothing_else(log: FeedbackLog):
    store(log, RATING, Event("v", "u1", "i1", "view"), replace(RATING, event_id="e0", value=1.0))
    export = begin(log)
    assert not export.is_resumed
    expected = pd.DataFrame(
        {"user_id": "u1", "item_id": "i1", "rating": [4.5, 1.0], "timestamp": 1000}
    )
    pd.testing.assert_frame_equal(export.ratings, expected)


def test_export_that_was_begun_is_the_same_again_whatever_came_since(log: FeedbackLog):
    store(log, RATING)
    first = begin(log)
    store(log, replace(RATING, event_id="e2"))
    again = begin(log)
    assert (again.number, again.is_resumed) == (first.number, True)
    pd.testing.assert_frame_equal(again.ratings, first.ratings)
    counts = log.counts()
    assert (counts.exported, counts.waiting, counts.is_open) == (1, 1, True)


def test_next_export_takes_what_came_since(log: FeedbackLog):
    store(log, RATING)
    log.end_export(begin(log).number, "b1")
    assert log.begin_export() is None
    store(log, replace(RATING, event_id="e2", value=2.0))
    second = begin(log)
    assert second.ratings["rating"].tolist() == [2.0]
    log.end_export(second.number, "b2")
    counts = log.counts()
    assert (counts.batches, counts.is_open) == (("b1", "b2"), False)
    assert (counts.exported, counts.waiting, counts.waiting_since) == (2, 0, None)


def test_views_alone_are_nothing_to_export(log: FeedbackLog):
    store(log, Event("v", "u1", "i1", "view"), Event("c", "u1", "i1", "click"))
    assert log.begin_export() is None
    assert log.counts().kinds == {"view": 1, "click": 1}


def test_empty_log_counts_nothing(log: FeedbackLog):
    counts = log.counts()
    assert (counts.kinds, counts.first, counts.last) == ({}, None, None)
    assert log.begin_export() is None


@pytest.mark.parametrize("reader", ["recent_ratings", "counts"])
def test_log_can_be_read_while_an_export_is_under_way(log: FeedbackLog, reader: str):
    store(log, RATING)
    begin(log)
    assert getattr(log, reader)(*(["u1"] if reader == "recent_ratings" else []))

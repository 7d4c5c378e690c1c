from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.models.bundle import Bundle, load_bundle
from components.models.catalogue import UserBook
from components.models.predictor import Predictor
from components.monitoring.reference import Reference, make_reference


@pytest.fixture(scope="module")
def served(served_bundle: Path) -> Bundle:
    return load_bundle(served_bundle)


def forget(bundle: Bundle, users: set[str], items: set[str]) -> Bundle:
    """Return the bundle as it were without what some users, or others of some items, rated."""
    book = bundle.users
    rows = pd.DataFrame(
        {
            "user_id": np.repeat(np.array(book.user_ids, dtype=object), np.diff(book.offsets)),
            "item_id": bundle.catalogue.ids(book.items_N),
            "rating": book.ratings_N,
            "timestamp": book.times_N,
        }
    )
    kept = rows[~rows["user_id"].isin(users) & ~rows["item_id"].isin(items)]
    return replace(bundle, users=UserBook.from_ratings(kept, bundle.catalogue))


def test_promise_is_of_the_rows_that_only_the_served_bundle_learnt(served: Bundle):
    evaluation = forget(served, {"u4"}, {"i3"})
    promised = make_reference(evaluation, served, most=100, seed=0)
    # u0 to u3 rated i3 (u0 last), u4 rated i4 to i7.
    assert len(promised.rated) == 4 + 4
    assert promised.known_U.tolist() == [True] * 4 + [False]
    predicted = Predictor(evaluation).predict(["u0", "u4"], ["i3", "i4"])
    assert promised.rated.predicted_N[[0, 4]] == pytest.approx(predicted)
    assert promised.rated.squared_errors == pytest.approx(
        (promised.rated.ratings_N - promised.rated.predicted_N) ** 2
    )


def test_promise_comes_back_from_its_table_which_names_nobody(served: Bundle):
    promised = make_reference(forget(served, {"u4"}, {"i3"}), served, most=100, seed=0)
    frame = promised.to_frame()
    assert not frame.isin(["u4"]).any().any()
    again = Reference.from_frame(frame)
    assert again.known_U.tolist() == promised.known_U.tolist()
    assert again.rated.predicted_N.tolist() == promised.rated.predicted_N.tolist()


def test_of_too_many_rows_whole_users_are_drawn(served: Bundle):
    promised = make_reference(forget(served, {"u1", "u2", "u4"}, set()), served, most=9, seed=1)
    assert len(promised.rated) == 8
    assert np.bincount(promised.rated.users_N).tolist() == [4, 4]


def test_without_test_rows_there_is_no_promise(served: Bundle):
    promised = make_reference(served, served, most=9, seed=0)
    assert len(promised.rated) == 0
    assert len(Reference.from_frame(promised.to_frame()).known_U) == 0

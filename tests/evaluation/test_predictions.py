"""Static and prequential predictions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from components.evaluation.predictions import predict_prequential, predict_static, sample_users
from components.models.bundle import load_bundle
from components.models.catalogue import History
from components.models.predictor import Predictor
from components.models.protocol import Asker
from components.paths import Workspace

LATER = 2_000_000  # after every train row


def rows(*given: tuple[str, str, float, int]) -> pd.DataFrame:
    return pd.DataFrame(given, columns=["user_id", "item_id", "rating", "timestamp"])


def test_first_row_after_the_training_is_asked_with_the_train_rows(predictor: Predictor) -> None:
    known = predictor.bundle.users.user_ids[0]
    test = rows(("nobody", "i000", 5.0, 10), (known, "i001", 1.0, LATER))
    side = predictor.fold_all([None, known], [None, None], [10, LATER])
    expected = predictor.rate(side, predictor.item_side(["i000", "i001"]))
    np.testing.assert_allclose(predict_prequential(predictor, test), expected, atol=1e-6)


def test_later_train_rows_are_read_only_where_that_is_asked_for(predictor: Predictor) -> None:
    known = predictor.bundle.users.user_ids[0]
    first = int(predictor.bundle.users.history(0).times_N[0])
    test = rows((known, "i001", 1.0, first))
    whole = predict_prequential(predictor, test, later_train_rows=True)
    # Nothing was given before the first of all ratings, so there is no mood in either.
    np.testing.assert_allclose(whole, predict_static(predictor, test), atol=1e-5)
    nobody = predict_static(predictor, test.assign(user_id="nobody"))
    np.testing.assert_allclose(predict_prequential(predictor, test), nobody, atol=1e-5)
    assert abs(whole - nobody).max() > 1e-3


def test_later_row_sees_the_earlier_ones_and_none_of_the_same_second(predictor: Predictor) -> None:
    test = rows(
        ("nobody", "i003", 2.0, 30),
        ("nobody", "i000", 5.0, 10),
        ("nobody", "i001", 5.0, 20),
        ("nobody", "i002", 1.0, 20),
    )
    predicted = predict_prequential(predictor, test)
    for row, past in ((1, []), (2, [("i000", 5.0)]), (3, [("i000", 5.0)])):
        history = predictor.read_history(past, [10] * len(past))[0]
        side = predictor.fold_user("nobody", history, int(test["timestamp"][row]))
        expected = predictor.rate(side, predictor.item_side([test["item_id"][row]]))[0]
        assert predicted[row] == pytest.approx(expected, abs=1e-6)
    assert predicted[0] != predict_static(predictor, test)[0]


def test_what_comes_later_changes_nothing_before_it(predictor: Predictor) -> None:
    test = rows(*((f"v{n % 3}", f"i00{n}", 1.0 + n % 5, n) for n in range(9)))
    whole = predict_prequential(predictor, test)
    np.testing.assert_array_equal(predict_prequential(predictor, test[:5]), whole[:5])


@pytest.mark.parametrize("family", ["biases", "hybrid"])
def test_history_holds_exactly_the_rows_of_earlier_seconds(learnt: Workspace, family: str) -> None:
    folder = learnt.ladder / family if family == "biases" else learnt.evaluation_bundle
    predictor = Predictor(load_bundle(folder))
    book, catalogue = predictor.bundle.users, predictor.bundle.catalogue
    user = 3
    known = book.history(user)
    middle = len(known) // 2
    now = int(known.times_N[middle])
    unrated = [item for item in range(len(catalogue)) if item not in known.items_N][:3]
    test = rows(
        *(
            (book.user_ids[user], catalogue.ids(np.array([item]))[0], rating, time)
            for item, rating, time in zip(
                unrated, (5.0, 0.5, 1.0), (now - 1, now, now), strict=True
            )
        )
    )
    merged = sorted(
        [
            *zip(known.times_N, known.items_N, known.ratings_N, strict=True),
            (now - 1, unrated[0], 5.0),
        ]
    )
    times, items, ratings = zip(*[row for row in merged if row[0] < now], strict=True)
    assert 0 < len(items) <= middle + 1 < len(merged)
    history = History(np.int64(items), np.float32(ratings), np.int64(times))
    side = predictor.fold([Asker(user, history, now)])
    expected = predictor.rate(side, predictor.item_side(test["item_id"][1:].tolist()))
    np.testing.assert_array_equal(predict_prequential(predictor, test)[1:], expected)


@pytest.mark.parametrize("changed", ["later train rows", "later test rows", "the same second"])
def test_what_is_not_earlier_cannot_change_a_rating(learnt: Workspace, changed: str) -> None:
    bundle = load_bundle(learnt.ladder / "biases")
    book = bundle.users
    history = book.history(0)
    now = int(history.times_N[len(history) // 2])
    test = rows(
        (book.user_ids[0], "i022", 3.0, now),
        (book.user_ids[0], "i023", 4.0, now + (changed == "later test rows")),
    )
    before = predict_prequential(Predictor(bundle), test)
    if changed == "later train rows":
        ratings_N = np.where(book.times_N >= now, 0.5, book.ratings_N).astype(np.float32)
        bundle = replace(bundle, users=replace(book, ratings_N=ratings_N))
    else:
        test.loc[1, "rating"] = 0.5
    after = predict_prequential(Predictor(bundle), test)
    assert after[0] == before[0]
    assert predict_static(Predictor(bundle), test)[0] != before[0]


def test_blocks_do_not_change_the_predictions(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [*predictor.bundle.users.user_ids[:4], "nobody"]
    test = rows(*((users[n % 5], f"i0{n:02d}", 1.0 + n % 5, n // 2) for n in range(20)))
    whole = predict_prequential(predictor, test)
    monkeypatch.setattr("components.evaluation.predictions._FOLDS_AT_ONCE", 3)
    np.testing.assert_array_equal(predict_prequential(predictor, test), whole)


def test_order_of_the_rows_does_not_matter(predictor: Predictor) -> None:
    users = [*predictor.bundle.users.user_ids[:2], "nobody"]
    test = rows(*((users[n % 3], f"i0{n:02d}", 1.0 + n % 5, n // 4) for n in range(20)))
    shuffled = test.sample(frac=1, random_state=0)
    expected = predict_prequential(predictor, test)[shuffled.index]
    found = predict_prequential(predictor, shuffled.reset_index(drop=True))
    np.testing.assert_array_equal(found, expected)


def test_item_outside_the_catalogue_is_predicted_and_tells_nothing(predictor: Predictor) -> None:
    test = rows(("nobody", "nothing", 1.0, 1), ("nobody", "i000", 3.0, 2))
    np.testing.assert_array_equal(
        predict_prequential(predictor, test), predict_static(predictor, test)
    )


def test_no_rows_are_no_predictions(predictor: Predictor) -> None:
    assert len(predict_prequential(predictor, rows())) == 0


def test_sampled_users_come_with_all_their_rows() -> None:
    users = pd.Series([f"u{n % 10}" for n in range(50)])
    kept = users[sample_users(users, 3, seed=0)]
    assert kept.nunique() == 3
    assert (kept.value_counts() == 5).all()
    assert sample_users(users, 10, seed=0).all()

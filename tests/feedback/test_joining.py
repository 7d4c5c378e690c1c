"""Which answer an event finds, and how far off the models were by that."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.answers.answered import Answered
from components.answers.log import AnswerLog
from components.feedback.events import Event, Told
from components.feedback.joining import Joined, Online, join, match, summarise
from components.feedback.log import FeedbackLog

LIST = Answered(
    *("r1", 1000.0, 0.002, "recommend", "3", "814e34d0720b36d1", "", "u1", "factors"),
    items=("i1", "i2"),
    ratings=(4.25, 3.5),
)
PAIRS = LIST._replace(
    route="predict_rating",
    user_id=None,
    path=None,
    items=("i1", "i1"),
    users=("u1", "u2"),
    paths=("factors", "prior"),
)
LOOKS = LIST._replace(route="similar", user_id=None, path=None, ratings=(None, None))
TOLD = Told("", "r1", "u1", "i2", "rating", 4.0, 1500, 2000.0)


def test_rating_finds_what_was_predicted_for_it():
    assert match(TOLD, [LIST]) == Joined(TOLD, LIST, 3.5, "factors")


def test_answer_for_nobody_in_particular_fits_everybody():
    assert match(TOLD, [LIST._replace(user_id=None)]).predicted == 3.5


@pytest.mark.parametrize(
    ("user", "predicted", "path"), [("u1", 4.25, "factors"), ("u2", 3.5, "prior")]
)
def test_pair_finds_its_own_row(user: str, predicted: float, path: str):
    found = match(replace(TOLD, user_id=user, item_id="i1"), [PAIRS])
    assert (found.predicted, found.path) == (predicted, path)


@pytest.mark.parametrize(
    ("changed", "answer"),
    [({"user_id": "u9"}, LIST), ({"user_id": "u9"}, PAIRS), ({"stored_at": 999.0}, LIST)],
)
def test_other_users_and_answers_that_came_later_are_not_meant(
    changed: dict[str, object], answer: Answered
):
    assert match(replace(TOLD, **changed), [answer]).answered is None  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [LOOKS, LIST._replace(items=None, ratings=(3.0,))])
def test_item_without_a_rating_finds_its_version_alone(answer: Answered):
    found = match(TOLD, [answer])
    assert (found.answered, found.predicted) == (answer, None)


def test_of_answers_under_one_id_the_last_that_showed_the_item_is_meant():
    later = LIST._replace(at=1100.0, ratings=(4.0, 3.0))
    others = LIST._replace(at=1200.0, items=("i7",), ratings=(1.0,))
    assert match(TOLD, [LIST, later, others]).answered == later


def test_of_two_callers_under_one_id_the_events_own_is_meant():
    shop, app = LIST._replace(caller="shop"), LIST._replace(caller="app", at=1100.0)
    assert match(replace(TOLD, caller="shop"), [shop, app]).answered == shop
    assert match(replace(TOLD, caller="app"), [shop, app]).answered == app
    # A key that only sends feedback: whoever asked with another one is meant.
    assert match(replace(TOLD, caller="page"), [shop, app]).answered == app


@given(st.lists(st.tuples(st.sampled_from("12"), st.floats(1, 5), st.floats(1, 5)), max_size=20))
def test_error_by_version_is_the_root_of_its_mean_square(rows: list[tuple[str, float, float]]):
    joined = [
        Joined(replace(TOLD, value=value), LIST._replace(version=version), predicted)
        for version, value, predicted in rows
    ]
    summary = summarise([*joined, Joined(TOLD, None)])
    assert (summary.named, summary.found) == (len(rows) + 1, len(rows))
    for version in {version for version, _, _ in rows}:
        squares = [(value - told) ** 2 for own, value, told in rows if own == version]
        online = summary.versions[version]
        assert online.ratings == len(squares)
        assert online.rmse == pytest.approx((sum(squares) / len(squares)) ** 0.5)


def test_views_and_ratings_without_a_prediction_count_as_found_only():
    view = Joined(replace(TOLD, kind="view", value=None), LIST, 3.5)
    summary = summarise([view, Joined(TOLD, LIST)])
    assert (summary.found, summary.versions) == (2, {})


def test_both_logs_are_joined_and_of_a_rating_given_twice_the_last_counts(tmp_path: Path):
    feedback = FeedbackLog(f"sqlite:///{tmp_path / 'feedback.db'}")
    answers = AnswerLog(f"sqlite:///{tmp_path / 'answers.db'}")
    answers.begin(keep_days=1e5, max_gb=1)
    answers.submit(LIST)
    answers.close()
    answers = AnswerLog(f"sqlite:///{tmp_path / 'answers.db'}")
    events = [
        Event("e1", "u1", "i2", "rating", 1.0, request_id="r1"),
        Event("e2", "u1", "i2", "rating", 4.0, request_id="r1"),
        Event("e3", "u1", "i1", "view", request_id="r1"),
        Event("e4", "u1", "i1", "rating", 5.0, request_id="gone", version="2"),
        Event("e5", "u1", "i1", "rating", 5.0),
    ]
    feedback.submit("", events).result(timeout=30)
    summary = summarise(join(feedback, answers))
    assert (summary.named, summary.found) == (3, 2)
    assert summary.versions == {"3": Online(1, 0.5)}
    assert list(join(feedback, answers, since=4e9)) == []
    feedback.close()
    answers.close()

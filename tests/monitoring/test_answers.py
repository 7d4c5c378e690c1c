import pytest

from components.monitoring.answers import count_by_user, summarise
from tests.monitoring.making import glance

PAIRS = glance(
    None,
    None,
    route="/predict_rating",
    users=("u1", "u2", "u1"),
    paths=("factors", "prior", "factors"),
)


def test_shares_are_of_rated_answers_and_each_user_counts_once():
    answers = summarise(
        [
            glance("u1"),
            glance("u3", "history"),
            glance("u4", "rules"),
            PAIRS,
            glance(None, None, route="/similar"),
        ]
    )
    assert answers is not None
    assert answers.paths == {"factors": 2, "history": 1, "rules": 1, "prior": 1}
    assert (answers.cold, answers.fallback) == (2 / 5, 3 / 5)
    assert (answers.users, answers.unnamed) == (4, 1 / 5)
    assert {route: speed.answers for route, speed in answers.routes.items()} == {
        "/predict_rating": 1,
        "/recommend": 3,
        "/similar": 1,
    }


def test_speed_is_in_milliseconds():
    answers = summarise([glance(seconds=n / 1000) for n in range(101)])
    assert answers is not None
    assert answers.speed.p50_ms == pytest.approx(50)
    assert answers.speed.p99_ms == pytest.approx(99)


def test_nothing_rated_has_no_share_and_nothing_answered_nothing_at_all():
    answers = summarise([glance(None, None, route="/similar")])
    assert answers is not None
    assert (answers.cold, answers.fallback, answers.paths) == (None, None, {})
    assert summarise([]) is None


def test_user_of_a_picture_with_several_paths_counts_by_the_first():
    one = glance("u1", None, paths=("history", "prior"))
    answers = summarise([one])
    assert answers is not None
    assert answers.paths == {"history": 1}


def test_answers_are_counted_by_whom_they_are_for():
    assert count_by_user([glance("u1"), PAIRS, glance(None)]) == {"u1": 2, "u2": 1}

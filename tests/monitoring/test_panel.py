import numpy as np
import pytest

from components.models.catalogue import UserBook
from components.monitoring.checks import Finding, Unknown
from components.monitoring.panel import (
    check_activity,
    check_images,
    check_ratings,
    check_rmse,
    check_users,
)
from components.monitoring.reference import Rated, Reference
from components.params import Monitor
from tests.monitoring.making import glance, rate

MONITOR = Monitor(min_ratings=50, min_users=5, min_items=4, items=10)
PROMISED = Reference(rate(0, users=60, rows=600), np.ones(60, bool))
NOTHING = Reference(Rated(np.zeros(0, int), np.zeros(0), np.zeros(0)), np.zeros(0, bool))
BOOK = UserBook(("u0", "u1"), np.array([0, 0, 0]), *(np.zeros(0, np.int64),) * 3)  # type: ignore[arg-type]


def why(found: Finding | Unknown) -> str:
    assert isinstance(found, Unknown)
    return found.why


@pytest.mark.parametrize("check", [check_rmse, check_ratings])
def test_what_rests_on_too_few_ratings_is_not_judged(check: object):
    assert callable(check)
    few_users = Rated(np.zeros(60, int), np.ones(60), np.ones(60))
    assert why(check(None, PROMISED, MONITOR)) == ("0 ratings given to its answers, 50 are needed")
    assert why(check(rate(1, rows=49), PROMISED, MONITOR)).startswith("49 ratings given")
    assert why(check(few_users, PROMISED, MONITOR)) == "1 users who rated them, 5 are needed"
    assert why(check(rate(1, rows=50), NOTHING, MONITOR)) == "0 test ratings, 50 are needed"
    assert isinstance(check(rate(1, rows=50), PROMISED, MONITOR), Finding)


def test_too_few_items_are_not_judged_and_of_many_some_are_drawn():
    looks = np.random.default_rng(0).normal(0, 1, (40, 3)).astype(np.float32)
    assert why(check_images(looks[:3], looks, MONITOR)) == "3 new items, 4 are needed"
    assert why(check_images(looks, looks[:3], MONITOR)) == "3 learnt items, 4 are needed"
    found = check_images(looks, looks[:4], MONITOR)
    assert isinstance(found, Finding)
    assert (found.lately, found.before) == (10, 4)


def test_strangers_are_users_whom_the_served_bundle_does_not_know():
    asked = [glance(f"u{n}") for n in range(8)]
    assert why(check_users(asked[:4], BOOK, PROMISED, MONITOR)).startswith("4 users who asked")
    assert why(check_users(asked, BOOK, NOTHING, MONITOR)) == "0 users tested, 5 are needed"
    found = check_users(asked, BOOK, PROMISED, MONITOR)
    assert isinstance(found, Finding)
    assert found.value == 6 / 8


def test_activity_needs_both_times():
    many = [glance(f"u{n}") for n in range(8)]
    assert why(check_activity(many[:2], many, MONITOR)).startswith("2 users who asked")
    assert why(check_activity(many, [], MONITOR)).startswith("0 users of the time before")
    found = check_activity(many * 2, many, MONITOR)
    assert isinstance(found, Finding)
    assert found.value == 1

import numpy as np
import pytest

from components.models.predictor import Predictor
from components.review.people import SHOWN, find_test_rows, meet_people
from tests.review.making import ITEMS, Rating, make_bundle

TRAIN: list[Rating] = [(f"u{u}", ITEMS[i], 5.0 - i) for u in range(8) for i in range(4)]
# u0 rates as the candidate says, u1 far below it, u2 a little.
TEST: list[Rating] = [
    *(("u0", ITEMS[i], 4.0) for i in (4, 5)),
    *(("u1", ITEMS[i], 1.0) for i in (4, 5, 6)),
    ("u2", ITEMS[4], 2.5),
    ("new", ITEMS[5], 4.5),
]


def test_test_rows_are_what_only_the_served_bundle_learnt():
    rows = find_test_rows(make_bundle(TRAIN), make_bundle([*TRAIN, *TEST]))
    found = zip(rows["user_id"], rows["item_id"], rows["rating"], strict=True)
    assert sorted(found) == sorted(TEST)


def meet(*, champion: bool = True, champion_learnt: tuple[Rating, ...] = ()):
    candidate = make_bundle(TRAIN, mean=4.0, step=-0.0001)
    other = make_bundle([*TRAIN, *champion_learnt], mean=3.0, step=-0.01)
    test = find_test_rows(candidate, make_bundle([*TRAIN, *TEST]))
    rival = Predictor(other) if champion else None
    return meet_people(Predictor(candidate), rival, test, relevant_from=4.0)


def test_users_are_counted_by_who_is_nearer():
    people = meet()
    assert (people.better, people.worse, people.same) == (2, 2, 0)
    assert people.rows == len(TEST)


def test_losers_are_those_whose_squared_errors_grow_most_and_no_winner():
    people = meet()
    assert [one.user_id for one in people.losers] == ["u1", "u2"]
    worst = people.losers[0]
    assert worst.candidate_rmse == pytest.approx(3.0, abs=0.01)
    assert worst.champion_rmse == pytest.approx(1.95, abs=0.01)
    assert [miss.item.item_id for miss in worst.misses] == [ITEMS[6], ITEMS[5], ITEMS[4]]
    assert all(miss.candidate == pytest.approx(4.0, abs=0.01) for miss in worst.misses)


def test_rows_that_the_champion_learnt_count_for_nobody():
    people = meet(champion_learnt=tuple(TEST[2:5]))
    assert people.rows == len(TEST) - 3
    assert [one.user_id for one in people.losers] == ["u2"]


def test_drawn_users_are_the_same_each_time_and_somebody_new_comes_last():
    people = meet()
    assert people == meet()
    assert people.drawn[-1].user_id is None
    drawn = [one.user_id for one in people.drawn[:-1]]
    assert drawn
    assert not set(drawn) & {one.user_id for one in people.losers}
    assert drawn == sorted(drawn, key=drawn.index)


def test_lists_leave_out_what_either_model_knows_and_mark_what_is_new_and_liked_later():
    (person,) = [
        one for one in meet(champion_learnt=(("u0", ITEMS[11], 3.0),)).drawn if one.user_id == "u0"
    ]
    ours = [item.item_id for item in person.candidate]
    assert ours == list(ITEMS[4:10])
    assert len(ours) == SHOWN
    assert person.champion is not None
    assert ITEMS[11] not in [item.item_id for item in person.champion]
    assert [item.item_id for item in person.candidate if item.is_liked_later] == list(ITEMS[4:6])
    assert [item.rating for item in person.liked] == [5.0, 4.0, 3.0, 2.0]


def test_items_that_the_champion_does_not_show_are_new():
    candidate, champion = make_bundle(TRAIN, step=0.1), make_bundle(TRAIN, step=-0.1)
    test = find_test_rows(candidate, make_bundle([*TRAIN, *TEST]))
    people = meet_people(Predictor(candidate), Predictor(champion), test, relevant_from=None)
    newcomer = people.drawn[-1]
    assert all(item.is_new for item in newcomer.candidate)
    assert not any(item.is_new for item in newcomer.champion or ())


def test_item_without_a_title_is_called_by_its_id():
    people = meet_people(
        Predictor(make_bundle(TRAIN)),
        None,
        find_test_rows(make_bundle(TRAIN), make_bundle([*TRAIN, *TEST])),
        relevant_from=None,
    )
    titles = {item.item_id: item.title for one in people.drawn for item in one.candidate}
    assert titles[ITEMS[11]] == ITEMS[11]
    assert titles[ITEMS[10]] == "Print i10"


def test_without_a_champion_the_worst_served_are_shown_and_nobody_is_counted():
    people = meet(champion=False)
    assert [one.user_id for one in people.losers] == ["u1", "u2", "new"]
    assert (people.better, people.worse, people.same) == (0, 0, 0)
    assert people.losers[0].champion is None
    assert people.losers[0].champion_rmse is None
    assert people.losers[0].misses[0].champion is None


def test_equal_models_lose_nobody():
    model = Predictor(make_bundle(TRAIN))
    test = find_test_rows(model.bundle, make_bundle([*TRAIN, *TEST]))
    people = meet_people(model, model, test, relevant_from=4.0)
    assert people.losers == ()
    assert (people.better, people.worse, people.same) == (0, 0, 4)
    assert all(one.champion == one.candidate for one in people.drawn)


def test_model_that_answers_with_no_numbers_still_has_a_page():
    broken = make_bundle(TRAIN)
    broken.weights["mean"][:] = np.nan
    champion = Predictor(make_bundle(TRAIN))
    test = find_test_rows(broken, make_bundle([*TRAIN, *TEST]))
    people = meet_people(Predictor(broken), champion, test, relevant_from=4.0)
    assert len(people.losers) == 3
    assert people.losers[0].candidate == ()


def test_version_without_test_rows_shows_somebody_new_alone():
    model = Predictor(make_bundle(TRAIN))
    people = meet_people(model, None, find_test_rows(model.bundle, model.bundle), relevant_from=4.0)
    assert [one.user_id for one in people.drawn] == [None]
    assert people.losers == ()

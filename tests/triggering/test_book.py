import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.triggering.book import Book
from components.triggering.policy import Asked

NOW = 1_000.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "triggers.db"


@pytest.fixture
def book(file: Path) -> Iterator[Book]:
    made = Book(file)
    yield made
    made.close()


def one(kind: str = "data", at: float = NOW) -> Asked:
    return Asked(kind, f"because of {kind}", {"rows": 3}, at)


def begin(book: Book, now: float = NOW + 1) -> int:
    begun = book.begin("run", "d", "p", now)
    assert begun is not None
    return begun.number


def test_askers_join_the_open_round_and_those_during_a_run_the_next(book: Book):
    first, second = book.ask(one()), book.ask(one("drift"))
    assert (first.round, second.round) == (1, 1)
    begun = book.begin("run-1", "d", "p", NOW + 1)
    assert begun is not None
    assert [asked.kind for asked in begun.asked] == ["data", "drift"]
    assert begun.asked[0] == one()
    assert book.ask(one("schedule")).round == 2
    assert book.begin("run-2", "d", "p", NOW + 2) is not None
    assert book.begin("run-3", "d", "p", NOW + 3) is None


def test_same_key_is_heard_once_also_after_its_round_has_ended(book: Book):
    assert book.ask(one(), "data d1").is_new
    again = book.ask(one(), "data d1")
    assert (again.round, again.is_new, again.is_open) == (1, False, True)
    book.end(begin(book), "promoted", "better", now=NOW + 9, version=3)
    over = book.ask(one(), "data d1")
    assert (over.round, over.is_new, over.is_open) == (1, False, False)
    assert book.find_open() is None
    assert book.find_key("data d1") == over
    assert book.find_key("other") is None


def test_end_is_told_once_and_shows_in_the_past(book: Book):
    book.ask(one())
    number = begin(book)
    book.end(number, "promoted", "better", now=NOW + 61, version=3, data_version="d2")
    book.end(number, "failed", "too late", now=NOW + 99)
    found = book.find(number)
    assert found is not None
    assert (found.outcome, found.version, found.ended_at) == ("promoted", 3, NOW + 61)
    (past,) = book.past()
    assert (past.kinds, past.data_version, past.seconds) == (frozenset({"data"}), "d2", 60.0)
    assert past.is_answer
    assert [left.number for left in book.at_work()] == []


def test_round_that_was_put_off_is_heard_in_the_next(book: Book):
    book.ask(one(), "k")
    number = begin(book)
    book.end(number, "skipped", "too soon", now=NOW + 2)
    place = book.pass_on(number, NOW + 3)
    assert place is not None
    assert (place.round, place.is_open) == (2, True)
    found = book.find_key("k")
    assert found is not None
    assert found.round == 2
    assert book.pass_on(number, NOW + 4) is None


def test_round_that_was_cut_off_is_heard_again_twice_and_then_left(book: Book):
    book.ask(one())
    numbers = []
    for _ in range(3):
        assert len(book.at_work()) == 0
        numbers.append(begin(book))
        (left,) = book.at_work()
        again = book.cut_off(left.number, "killed", NOW + 5)
        assert book.cut_off(left.number, "killed", NOW + 6) is None
    assert numbers == [1, 2, 3]
    assert again is None
    assert book.find_open() is None
    assert [past.outcome for past in book.past()] == ["", "", ""]


def test_next_attempt_is_one_for_all_who_make_it(book: Book):
    place = book.ask(one())
    assert book.renew(place.round, place.attempt) == 1
    assert book.renew(place.round, place.attempt) == 1
    assert book.renew(place.round, 1) == 2


def test_sixteen_who_ask_at_once_are_in_one_round(file: Path, book: Book):
    rounds: list[int] = []

    def ask() -> None:
        mine = Book(file)
        rounds.append(mine.ask(one()).round)
        mine.close()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rounds == [1] * 16
    begun = book.begin("run", "d", "p", NOW)
    assert begun is not None
    assert len(begun.asked) == 16


def test_latest_rounds_come_first(book: Book):
    for _ in range(3):
        book.ask(one())
        book.end(begin(book), "unchanged", "nothing new", now=NOW + 2)
    assert [found.number for found in book.latest(2)] == [3, 2]
    assert book.find(9) is None

import threading

import pytest

from components.parallel import count_cores, map_ahead


def test_results_come_in_order() -> None:
    assert list(map_ahead(lambda n: n * n, range(50), threads=4, ahead=8)) == [
        n * n for n in range(50)
    ]


def test_nothing_in_gives_nothing_out() -> None:
    assert list(map_ahead(str, [], threads=2, ahead=2)) == []


def test_no_more_than_ahead_are_begun_before_they_are_asked_for() -> None:
    begun: list[int] = []
    results = map_ahead(begun.append, range(100), threads=2, ahead=5)
    next(results)
    assert len(begun) <= 7
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 7


def test_exception_comes_in_its_turn_and_ends_the_threads() -> None:
    def fail_at_three(number: int) -> int:
        if number == 3:
            raise KeyError(number)
        return number

    results = map_ahead(fail_at_three, range(100), threads=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]


def test_there_is_at_least_one_core() -> None:
    assert count_cores() >= 1

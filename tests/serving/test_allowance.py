"""The token bucket, and that all workers draw from the same one."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.keys import Key, Rate
from serving.allowance import Allowance, Bucket, take

KEY = Key("shop", "a" * 64, ("recommend",), Rate(50, 60), 0)


def test_full_bucket_grants_its_count_at_once_then_at_the_rate():
    rate = Rate(2, 1)
    first, wait_1 = take(None, rate, 10.0)
    second, wait_2 = take(first, rate, 10.0)
    third, wait_3 = take(second, rate, 10.0)
    assert (wait_1, wait_2, wait_3) == (0, 0, 0.5)
    assert take(third, rate, 10.5)[1] == 0


@given(
    st.integers(1, 20), st.sampled_from([1, 60]), st.lists(st.floats(0, 5, width=32), max_size=80)
)
def test_no_span_grants_more_than_the_count_and_what_it_fills(
    count: int, seconds: int, gaps: list[float]
):
    rate, bucket, now = Rate(count, seconds), None, 0.0
    granted = []
    for gap in gaps:
        now += gap
        bucket, wait = take(bucket, rate, now)
        assert 0 <= wait <= seconds / count + 1e-9
        if wait == 0:
            granted.append(now)
    for first, start in enumerate(granted):
        for last in range(first, len(granted)):
            span = granted[last] - start
            assert last - first + 1 <= count + span * count / seconds + 1e-6


def test_waiting_as_long_as_was_said_is_enough():
    bucket, wait = take(Bucket(0.2, 5.0), Rate(3, 60), 5.0)
    assert take(bucket, Rate(3, 60), 5.0 + wait + 1e-9)[1] == 0


def test_clock_that_began_anew_grants_again():
    assert take(Bucket(0.0, 1e6), Rate(1, 3600), 5.0)[1] == 0


def count_granted(folder: Path) -> int:
    allowance = Allowance(folder)
    return sum(allowance.ask(KEY, 100.0) == 0 for _ in range(40))


def test_workers_share_a_keys_allowance(tmp_path: Path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        granted = list(workers.map(count_granted, [tmp_path / "rates"] * 2))
    assert sum(granted) == 50


@pytest.mark.parametrize("shared", [True, False])
def test_keys_have_allowances_of_their_own(tmp_path: Path, shared: bool):
    allowance = Allowance(tmp_path if shared else None)
    other = Key("app", "b" * 64, ("recommend",), Rate(1, 60), 0)
    assert [allowance.ask(other, 0.0) == 0 for _ in range(2)] == [True, False]
    assert allowance.ask(KEY, 0.0) == 0
    free = Key("free", "c" * 64, ("recommend",), None, 0)
    assert {allowance.ask(free, 0.0) for _ in range(100)} == {0.0}

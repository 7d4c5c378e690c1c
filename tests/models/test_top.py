import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.models.top import find_top


def sort_all(scores_I: np.ndarray, k: int) -> list[int]:
    finite = np.flatnonzero(np.isfinite(scores_I))
    return finite[np.lexsort((finite, -scores_I[finite]))][:k].tolist()


@given(
    seed=st.integers(0, 1000),
    count=st.integers(0, 20_000),
    k=st.integers(0, 60),
    levels=st.sampled_from([1, 3, 50, 10**6]),
    left_out=st.floats(0, 1),
)
def test_top_is_that_of_a_whole_sort_ties_by_index(
    seed: int, count: int, k: int, levels: int, left_out: float
):
    rng = np.random.default_rng(seed)
    scores_I = (rng.integers(0, levels, count) / levels).astype(np.float32)
    scores_I[rng.random(count) < left_out] = -np.inf
    assert find_top(scores_I, k).tolist() == sort_all(scores_I, k)


@pytest.mark.parametrize("k", [1, 10, 1000])
def test_best_in_the_rest_behind_the_last_block_is_found(k: int):
    scores_I = np.linspace(0, 1, 10_001, dtype=np.float32)
    assert find_top(scores_I, k).tolist() == list(range(10_000, 10_000 - k, -1))


def test_more_than_there_are_gives_all():
    assert find_top(np.float32([1.0, -np.inf, 3.0]), 10).tolist() == [2, 0]

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.models.diversity import diversify

LOOKS = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2]]
RELEVANCES = np.array([5.0, 4.9, 4.0, 3.9, 1.0], np.float32)


def test_without_diversity_the_order_is_that_of_relevance():
    assert diversify(RELEVANCES, LOOKS, 5, 0.0).tolist() == [0, 1, 2, 3, 4]


def test_with_diversity_what_looks_like_a_pick_comes_later():
    assert diversify(RELEVANCES, LOOKS, 5, 0.5).tolist() == [0, 2, 4, 1, 3]


def test_picks_are_those_of_the_formula_worked_out_by_hand():
    # scaled: 1, 0.975, 0.75, 0.725, 0; at d = 0.2 the second of a look loses 0.2.
    assert diversify(RELEVANCES, LOOKS, 3, 0.2).tolist() == [0, 2, 1]


def test_item_without_an_image_is_like_no_other():
    looks = np.array([[1, 0], [1, 0], [0, 0]], np.float32)
    relevances = np.array([3.0, 2.9, 2.0], np.float32)
    assert diversify(relevances, looks, 3, 0.6).tolist() == [0, 2, 1]


def test_equal_items_come_in_their_order_and_nothing_gives_nothing():
    assert diversify(np.ones(3, np.float32), np.zeros((3, 2), np.float32), 2, 1.0).tolist() == [
        0,
        1,
    ]
    assert diversify(np.zeros(0, np.float32), np.zeros((0, 2), np.float32), 3, 0.5).tolist() == []


@given(
    st.integers(1, 30),
    st.integers(1, 40),
    st.floats(0, 1),
    st.integers(0, 1000),
)
def test_every_list_holds_different_items_and_begins_with_the_best(
    count: int, k: int, diversity: float, seed: int
):
    rng = np.random.default_rng(seed)
    looks = rng.standard_normal((count, 4)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    relevances = rng.standard_normal(count).astype(np.float32)
    picked = diversify(relevances, looks, k, diversity).tolist()
    assert len(picked) == len(set(picked)) == min(k, count)
    assert picked[0] == int(relevances.argmax())

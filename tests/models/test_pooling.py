"""Several images of one item as one embedding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.models.pooling import pool_images

EMBEDDINGS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.just(4)),
    elements=st.floats(-10, 10, width=32),
)
QUERIES = hnp.arrays(np.float32, 4, elements=st.floats(-100, 100, width=32))


@given(EMBEDDINGS)
def test_query_of_zeros_gives_the_mean(embeddings_VE: np.ndarray) -> None:
    attended = pool_images(embeddings_VE, np.zeros(4, np.float32))
    np.testing.assert_allclose(attended, pool_images(embeddings_VE), atol=1e-5)


@given(EMBEDDINGS, QUERIES)
def test_pooled_lies_between_the_images_and_does_not_depend_on_their_order(
    embeddings_VE: np.ndarray, query_E: np.ndarray
) -> None:
    pooled = pool_images(embeddings_VE, query_E)
    assert (pooled >= embeddings_VE.min(0) - 1e-4).all()
    assert (pooled <= embeddings_VE.max(0) + 1e-4).all()
    np.testing.assert_allclose(pooled, pool_images(embeddings_VE[::-1], query_E), atol=1e-4)


@given(EMBEDDINGS, QUERIES)
def test_single_image_is_itself_to_the_bit(embeddings_VE: np.ndarray, query_E: np.ndarray) -> None:
    first = embeddings_VE[:1]
    np.testing.assert_array_equal(pool_images(first, query_E), first[0])
    np.testing.assert_array_equal(pool_images(first), first[0])


def test_strong_query_picks_the_image_that_it_asks_for() -> None:
    embeddings_VE = np.eye(3, 4, dtype=np.float32)
    pooled = pool_images(embeddings_VE, np.float32([0, 100, 0, 0]))
    np.testing.assert_allclose(pooled, embeddings_VE[1], atol=1e-6)

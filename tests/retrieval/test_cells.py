from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import CorruptFileError
from components.models.catalogue import Bools, Ints
from components.models.search import EXACT, Question, Shortlisted
from components.retrieval.cells import CellIndex, build_cells, open_cells, save_queries

ITEMS, WIDTH = 2000, 4
# Small whole numbers, so that every sum is exact however it is taken, and many scores are equal.
VECTORS_ID = np.random.default_rng(0).integers(-4, 5, (ITEMS, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("cells")
    build_cells(VECTORS_ID, np.arange(ITEMS), folder / "a.faiss", seed=0)
    save_queries(np.eye(WIDTH, dtype=np.float32), folder / "a.safetensors")
    return folder / "a.faiss", folder / "a.safetensors"


@pytest.fixture(scope="module")
def index(files: tuple[Path, Path]) -> CellIndex:
    return open_cells(*files, ITEMS, probes=4, least=20)


def ask(query: list[int], k: int, left_out: Ints, allowed_I: Bools | None) -> Question:
    query_D = np.float32(query)
    return Question(
        query_D,
        lambda rows: (VECTORS_ID if rows is None else VECTORS_ID[rows]) @ query_D,
        ITEMS,
        k,
        left_out,
        allowed_I,
    )


queries = st.lists(st.integers(-3, 3), min_size=WIDTH, max_size=WIDTH)
sizes = st.sampled_from([1, 3, 20, 150, 600, 1999])


@settings(max_examples=40, deadline=None)
@given(query=queries, k=sizes, struck=sizes, kept=st.none() | sizes, seed=st.integers(0, 99))
def test_filters_hold_no_list_is_short_and_equal_scores_are_in_order(
    index: CellIndex, query: list[int], k: int, struck: int, kept: int | None, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    left_out = generator.integers(0, ITEMS, struck)
    allowed_I = None
    if kept is not None:
        allowed_I = np.isin(np.arange(ITEMS), generator.permutation(ITEMS)[:kept])
    question = ask(query, k, left_out, allowed_I)
    found, scores = Shortlisted(index).search(question)
    assert not np.isin(found, left_out).any()
    assert allowed_I is None or allowed_I[found].all()
    assert len(np.unique(found)) == len(found) == len(EXACT.search(question)[0])
    assert scores.tolist() == (VECTORS_ID[found] @ question.query_D).tolist()
    assert np.lexsort((found, -scores)).tolist() == list(range(len(found)))


@settings(max_examples=40, deadline=None)
@given(query=queries, seed=st.integers(0, 99))
def test_a_filter_that_leaves_few_gives_what_exact_search_gives(
    index: CellIndex, query: list[int], seed: int
) -> None:
    allowed_I = np.random.default_rng(seed).random(ITEMS) < 0.05
    question = ask(query, 10, np.array([seed]), allowed_I)
    found, scores = Shortlisted(index).search(question)
    best, expected = EXACT.search(question)
    assert found.tolist() == best.tolist()
    assert scores.tolist() == expected.tolist()
    assert index.shortlist(question.query_D, 10, 1, allowed_I).is_whole


def test_the_best_scores_are_found_in_few_cells(index: CellIndex) -> None:
    generator = np.random.default_rng(1)
    looked_at = []
    for query in generator.integers(-9, 10, (50, WIDTH)):
        question = ask(query.tolist(), 5, np.zeros(0, np.int64), None)
        shortlist = index.shortlist(question.query_D, 5, 0, None)
        looked_at.append(len(shortlist.rows_N))
        assert Shortlisted(index).search(question)[1][0] == EXACT.search(question)[1][0]
    assert max(looked_at) == 30


def test_a_mask_is_obeyed_by_the_index_itself(index: CellIndex) -> None:
    allowed_I = np.arange(ITEMS) % 2 == 0
    shortlist = index.shortlist(np.ones(WIDTH, np.float32), 5, 0, allowed_I)
    assert not shortlist.is_whole
    assert len(shortlist.rows_N) == 30
    assert (shortlist.rows_N % 2 == 0).all()
    assert (np.diff(shortlist.rows_N) > 0).all()


def test_asked_for_most_of_the_items_it_names_none(index: CellIndex) -> None:
    assert index.shortlist(np.ones(WIDTH, np.float32), ITEMS, 0, None) is None
    assert index.shortlist(np.ones(WIDTH, np.float32), 1, ITEMS, None) is None


def test_items_keep_the_rows_that_they_were_given(tmp_path: Path) -> None:
    rows_N = np.arange(0, 2 * ITEMS, 2)
    build_cells(VECTORS_ID, rows_N, tmp_path / "a.faiss", seed=0)
    save_queries(np.eye(WIDTH, dtype=np.float32), tmp_path / "a.safetensors")
    index = open_cells(tmp_path / "a.faiss", tmp_path / "a.safetensors", 2 * ITEMS, 4, 20)
    shortlist = index.shortlist(np.ones(WIDTH, np.float32), 5, 0, None)
    assert set(shortlist.rows_N.tolist()) <= set(rows_N.tolist())
    assert index.rows == 2 * ITEMS


def test_the_same_items_give_the_same_bytes(files: tuple[Path, Path], tmp_path: Path) -> None:
    build_cells(VECTORS_ID.copy(), np.arange(ITEMS), tmp_path / "b.faiss", seed=0)
    assert (tmp_path / "b.faiss").read_bytes() == files[0].read_bytes()
    build_cells(VECTORS_ID, np.arange(ITEMS), tmp_path / "c.faiss", seed=1)
    assert (tmp_path / "c.faiss").read_bytes() != files[0].read_bytes()


def test_few_items_lie_in_one_cell_and_are_all_scored(tmp_path: Path) -> None:
    build_cells(VECTORS_ID[:3], np.arange(3), tmp_path / "a.faiss", seed=0)
    save_queries(np.eye(WIDTH, dtype=np.float32), tmp_path / "a.safetensors")
    index = open_cells(tmp_path / "a.faiss", tmp_path / "a.safetensors", 3, 1, 0)
    assert index.cells == 1
    assert index.shortlist(np.ones(WIDTH, np.float32), 1, 0, None) is None


def test_an_index_that_does_not_fit_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="holds 2000 items of 4 numbers, which do not fit"):
        open_cells(*files, ITEMS - 1, 4, 20)
    save_queries(np.eye(3, dtype=np.float32), tmp_path / "other.safetensors")
    with pytest.raises(CorruptFileError, match="queries of 3; package the version again"):
        open_cells(files[0], tmp_path / "other.safetensors", ITEMS, 4, 20)
    (tmp_path / "cut.faiss").write_bytes(files[0].read_bytes()[:100])
    with pytest.raises(CorruptFileError, match=r"index .*cut\.faiss"):
        open_cells(tmp_path / "cut.faiss", files[1], ITEMS, 4, 20)
    with pytest.raises(CorruptFileError, match=r"index .*none\.faiss"):
        open_cells(tmp_path / "none.faiss", files[1], ITEMS, 4, 20)

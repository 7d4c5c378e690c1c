from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.models.catalogue import Bools, Floats, Ints
from components.models.search import EXACT, Question, Shortlist, Shortlisted

NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Names:
    """An index that names given rows, whatever the question; nothing for None."""

    rows: int
    named: Ints | None
    is_whole: bool = False

    def shortlist(
        self, query_D: Floats, k: int, spare: int, allowed_I: Bools | None
    ) -> Shortlist | None:
        if self.named is None:
            return None
        assert allowed_I is None or len(allowed_I) == self.rows
        kept = self.named if allowed_I is None else self.named[allowed_I[self.named]]
        return Shortlist(kept, self.is_whole)


def ask(scores_I: Floats, k: int, left_out: Ints = NOBODY, allowed_I: Bools | None = None):
    return Question(
        np.zeros(1, np.float32),
        lambda rows: scores_I if rows is None else scores_I[rows],
        len(scores_I),
        k,
        left_out,
        allowed_I,
    )


@st.composite
def questions(draw: st.DrawFn) -> Question:
    rows = draw(st.integers(1, 30))
    scores = draw(st.lists(st.integers(-3, 3), min_size=rows, max_size=rows))
    left_out = draw(st.lists(st.integers(0, rows - 1), max_size=10))
    allowed = draw(st.none() | st.lists(st.booleans(), min_size=rows, max_size=rows))
    return ask(
        np.float32(scores),
        draw(st.integers(1, 12)),
        np.array(left_out, np.int64),
        None if allowed is None else np.array(allowed),
    )


@settings(max_examples=100, deadline=None)
@given(question=questions(), later=st.integers(0, 5))
def test_an_index_that_names_every_row_finds_what_exact_search_finds(
    question: Question, later: int
) -> None:
    indexed = max(question.rows - later, 0)
    found, scores = Shortlisted(Names(indexed, np.arange(indexed))).search(question)
    best, expected = EXACT.search(question)
    assert found.tolist() == best.tolist()
    assert scores.tolist() == expected.tolist()


@settings(max_examples=100, deadline=None)
@given(question=questions(), named=st.sets(st.integers(0, 29)))
def test_whatever_an_index_names_filters_hold_and_no_list_is_short(
    question: Question, named: set[int]
) -> None:
    rows = np.array(sorted(row for row in named if row < question.rows), np.int64)
    found, scores = Shortlisted(Names(question.rows, rows)).search(question)
    allowed_I = np.ones(question.rows, bool) if question.allowed_I is None else question.allowed_I
    assert not set(found.tolist()) & set(question.left_out.tolist())
    assert allowed_I[found].all()
    assert len(set(found.tolist())) == len(found) == len(EXACT.search(question)[0])
    assert scores.tolist() == question.score(found).tolist()
    assert sorted(zip(-scores, found, strict=True)) == list(zip(-scores, found, strict=True))


def test_rows_that_came_after_the_index_are_found_and_filtered() -> None:
    searcher = Shortlisted(Names(3, np.array([0, 1])))
    scores_I = np.float32([1, 2, 9, 5, 7])
    assert searcher.search(ask(scores_I, 2))[0].tolist() == [4, 3]
    assert searcher.search(ask(scores_I, 2, np.array([4])))[0].tolist() == [3, 1]
    allowed_I = np.array([True, True, True, False, True])
    assert searcher.search(ask(scores_I, 2, allowed_I=allowed_I))[0].tolist() == [4, 1]


def test_a_row_that_the_index_misses_is_missed() -> None:
    scores_I = np.float32([1, 9, 3])
    assert Shortlisted(Names(3, np.array([0, 2]))).search(ask(scores_I, 2))[0].tolist() == [2, 0]


@pytest.mark.parametrize("named", [None, np.array([2])])
def test_without_a_shortlist_or_with_a_short_one_every_row_is_scored(named: Ints | None) -> None:
    scores_I = np.float32([1, 9, 3])
    assert Shortlisted(Names(3, named)).search(ask(scores_I, 2))[0].tolist() == [1, 2]


def test_a_whole_shortlist_may_be_short_and_nothing_else_is_scored() -> None:
    def score(rows: Ints | None) -> Floats:
        assert rows is not None, "every row was scored"
        return np.float32([1, 9, 3])[rows]

    question = Question(np.zeros(1, np.float32), score, 3, 2, NOBODY)
    assert Shortlisted(Names(3, np.array([2]), is_whole=True)).search(question)[0].tolist() == [2]


def test_a_score_of_minus_infinity_is_never_found() -> None:
    scores_I = np.float32([1, -np.inf, -np.inf])
    assert EXACT.search(ask(scores_I, 3))[0].tolist() == [0]
    assert Shortlisted(Names(3, np.arange(3))).search(ask(scores_I, 3))[0].tolist() == [0]

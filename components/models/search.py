"""The best k of many rows by a query: among the scores of all, or of those that an index names.

Whichever it is, the scores are those of the caller's own arithmetic; an index decides only which
rows are looked at. Dimension letters as in `components.models`, and N rows that were named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from components.models.catalogue import Bools, Floats, Ints
from components.models.top import find_top

# From so many rows left out, a mask costs less than a shortlist that can lose them all.
_MANY = 300

# Returns the scores of some rows, or of all; −inf for a row that must never be found.
Score = Callable[[Ints | None], Floats]


@dataclass(frozen=True)
class Question:
    """Which k of I rows score best by `query_D`.

    `left_out` names rows that are not wanted, and may name one twice; with `allowed_I`, only those
    with True are.
    """

    query_D: Floats
    score: Score
    rows: int
    k: int
    left_out: Ints
    allowed_I: Bools | None = None


class Searcher(Protocol):
    """Finds the best rows."""

    def search(self, question: Question) -> tuple[Ints, Floats]:
        """Return at most k rows and their scores, best first, equal ones by row.

        Fewer than k come only where there are no more.
        """


class Exact:
    """Scores every row."""

    def search(self, question: Question) -> tuple[Ints, Floats]:
        """Return the best rows: no better one exists."""
        scores_I = question.score(None).astype(np.float32, copy=True)
        scores_I[question.left_out] = -np.inf
        if question.allowed_I is not None:
            scores_I[~question.allowed_I] = -np.inf
        best = find_top(scores_I, question.k)
        return best, scores_I[best]


EXACT = Exact()


@dataclass(frozen=True)
class Shortlist:
    """Rows, ascending, likely the best; `is_whole` if all that are allowed are among them."""

    rows_N: Ints
    is_whole: bool = False


class Index(Protocol):
    """Knows the first `rows` of the rows, and names those worth a look."""

    @property
    def rows(self) -> int:
        """How many rows there were when it was made."""

    def shortlist(
        self, query_D: Floats, k: int, spare: int, allowed_I: Bools | None
    ) -> Shortlist | None:
        """Return enough rows to hold the best k even after `spare` of the best were struck.

        Only rows that are allowed; None where to score every row is no more work.
        """


@dataclass(frozen=True)
class Shortlisted:
    """Scores the rows that an index names, and every row that came after it was made.

    Where that leaves fewer than k, all rows are scored: a list is never short for the index's sake.
    """

    index: Index

    def search(self, question: Question) -> tuple[Ints, Floats]:
        """Return the best of the shortlist, which may miss a row but never misjudges one."""
        allowed_I, left_out = question.allowed_I, question.left_out
        if len(left_out) > _MANY:
            allowed_I = np.ones(question.rows, bool) if allowed_I is None else allowed_I.copy()
            allowed_I[left_out] = False
            left_out = left_out[:0]
        shortlist = self.index.shortlist(
            question.query_D,
            question.k,
            len(left_out),
            None if allowed_I is None else allowed_I[: self.index.rows],
        )
        if shortlist is None:
            return EXACT.search(question)
        rows_N = shortlist.rows_N
        if self.index.rows < question.rows:
            later = np.arange(self.index.rows, question.rows)
            later = later if allowed_I is None else later[allowed_I[later]]
            rows_N = np.concatenate([rows_N, later])
        rows_N = strike(rows_N, left_out)
        scores_N = question.score(rows_N)
        best = find_top(scores_N, question.k)
        if len(best) < question.k and not shortlist.is_whole:
            return EXACT.search(question)
        return rows_N[best], scores_N[best]


def strike(rows_N: Ints, left_out: Ints) -> Ints:
    """Return the rows that are not left out; for a few hundred, faster than `np.isin`."""
    if not len(left_out):
        return rows_N
    sorted_out = np.sort(left_out)
    places = np.minimum(np.searchsorted(sorted_out, rows_N), len(sorted_out) - 1)
    return rows_N[sorted_out[places] != rows_N]

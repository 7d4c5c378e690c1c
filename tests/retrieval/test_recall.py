import numpy as np
import pytest

from components.models.catalogue import Floats, Ints
from components.models.search import EXACT, Question, Searcher
from components.retrieval.recall import answer, measure_recall


class Fixed:
    """A searcher that finds given rows."""

    def __init__(self, *rows: int) -> None:
        self.rows = np.array(rows, np.int64)

    def search(self, question: Question) -> tuple[Ints, Floats]:
        return self.rows, question.score(self.rows)


def ask(scores: list[float], k: int = 2, left_out: tuple[int, ...] = ()) -> Question:
    scores_I = np.float32(scores)
    return Question(
        np.zeros(1, np.float32),
        lambda rows: scores_I if rows is None else scores_I[rows],
        len(scores_I),
        k,
        np.array(left_out, np.int64),
    )


@pytest.mark.parametrize(
    ("searcher", "recall"),
    [(EXACT, 1.0), (Fixed(3, 2), 1.0), (Fixed(3, 0), 0.5), (Fixed(0, 1), 0.0), (Fixed(), 0.0)],
)
def test_recall_is_the_share_of_the_best_that_is_found(searcher: Searcher, recall: float) -> None:
    assert measure_recall(searcher, answer([ask([1, 2, 3, 4])])) == recall


def test_recall_is_averaged_over_questions() -> None:
    assert measure_recall(Fixed(3, 0), answer([ask([1, 2, 3, 4]), ask([4, 1, 2, 3])])) == 0.75


def test_a_row_as_good_as_the_last_of_the_best_counts() -> None:
    assert measure_recall(Fixed(3, 2), answer([ask([5, 3, 3, 3])])) == 1.0
    assert measure_recall(Fixed(0, 3), answer([ask([5, 3, 3, 3])])) == 1.0


def test_where_fewer_than_k_are_left_those_are_all() -> None:
    assert measure_recall(Fixed(1), answer([ask([1, 2, 3], 9, (0, 2))])) == 1.0


def test_without_an_answer_nothing_was_found() -> None:
    assert answer([ask([1, 2], 2, (0, 1))]) == []
    assert measure_recall(EXACT, []) == 0.0

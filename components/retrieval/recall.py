"""Recall@k of a searcher against exact search."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from components.models.catalogue import Ints
from components.models.search import EXACT, Question, Searcher


@dataclass(frozen=True)
class Answered:
    """A question, and the best rows that there are; `last` is the least score among them."""

    question: Question
    best_K: Ints
    last: float


def answer(questions: Iterable[Question]) -> list[Answered]:
    """Answer questions exactly; those to which there is no answer are left out."""
    answered = []
    for question in questions:
        best_K, scores_K = EXACT.search(question)
        if len(best_K):
            answered.append(Answered(question, best_K, float(scores_K[-1])))
    return answered


def measure_recall(searcher: Searcher, answered: Sequence[Answered]) -> float:
    """Return the share of the best rows that a searcher finds, on average over the questions.

    A row that scores as much as the last of them counts as one of them. Without any question,
    nothing was found: 0.
    """
    if not answered:
        return 0.0
    return float(np.mean([_share(searcher, one) for one in answered]))


def _share(searcher: Searcher, answered: Answered) -> float:
    found, scores = searcher.search(answered.question)
    hits = np.isin(found, answered.best_K) | (scores >= answered.last)
    return min(int(hits.sum()) / len(answered.best_K), 1.0)

"""Example users for the report: what they liked, and what the model would show them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.models.catalogue import UNKNOWN, Floats, Ints
from components.models.predictor import Predictor

SHOWN = 6


@dataclass(frozen=True)
class Shown:
    """One picture of a row: an item, the number below it, and whether a test row likes it."""

    item: int
    rating: float
    liked_later: bool = False


@dataclass(frozen=True)
class Example:
    """One user; the newcomer has neither an id nor a history."""

    user_id: str | None
    rated: int
    liked: tuple[Shown, ...]
    recommended: tuple[Shown, ...]


def draw_examples(
    predictor: Predictor, test: pd.DataFrame, *, users: int, relevant_from: float, seed: int
) -> list[Example]:
    """Return drawn users who liked enough to fill a row, and the newcomer last.

    Users with test rows come first: of them one can see what they liked later.
    """
    generator = np.random.default_rng(seed)
    book = predictor.bundle.users
    user_N = np.repeat(np.arange(len(book)), np.diff(book.offsets))
    liked_U = np.bincount(user_N[book.ratings_N >= relevant_from], minlength=len(book))
    able = np.flatnonzero(liked_U >= SHOWN)
    tested = np.isin(able, book.find(test["user_id"].unique().tolist()))
    order = np.lexsort((generator.random(len(able)), ~tested))
    drawn = [book.user_ids[user] for user in able[order][:users]]
    examples = [_show(predictor, user, test, relevant_from) for user in drawn]
    return [*examples, _show(predictor, None, test, relevant_from)]


def _show(
    predictor: Predictor, user_id: str | None, test: pd.DataFrame, relevant_from: float
) -> Example:
    book = predictor.bundle.users
    history = book.history(UNKNOWN if user_id is None else int(book.find([user_id])[0]))
    # The best rated first, of equals the latest.
    best = np.lexsort((-np.arange(len(history)), -history.ratings_N))[:SHOWN]
    liked = _row(history.items_N[best], history.ratings_N[best], np.zeros(0, np.int64))
    later = test[(test["user_id"] == user_id) & (test["rating"] >= relevant_from)]
    later_items = predictor.bundle.catalogue.find(later["item_id"].tolist())
    side = predictor.fold_user(user_id)
    listed = predictor.recommend(side, SHOWN, history.items_N).items
    items = predictor.bundle.catalogue.find([one.item_id for one in listed])
    ratings = np.array([one.score for one in listed], np.float32)
    return Example(user_id, len(history), liked, _row(items, ratings, later_items))


def _row(items: Ints, ratings: Floats, later_items: Ints) -> tuple[Shown, ...]:
    return tuple(
        Shown(int(item), float(rating), int(item) in later_items.tolist())
        for item, rating in zip(items, ratings, strict=True)
    )

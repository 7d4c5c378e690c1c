"""Whom a candidate serves how: some users' lists by both models, and the users who lose most.

    N test rows, U users of them

Both models answer as they did when they were compared: from their evaluation bundles, each with
the histories that it learnt. Lists leave out what either of them knows that the user has rated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd

from components.models.bundle import Bundle
from components.models.catalogue import UNKNOWN, Bools, Floats, Ints
from components.models.predictor import Predictor
from components.statistics import Reals

SHOWN = 6
_DRAWN = 3
_LOSERS = 3
_MISSES = 4
_LEAST_LIKES = 3


@dataclass(frozen=True)
class Shown:
    """An item on a shelf: the rating given or predicted; `image` is a sha256, None without one."""

    item_id: str
    title: str
    image: str | None
    rating: float
    is_liked_later: bool = False
    is_new: bool = False


@dataclass(frozen=True)
class Miss:
    """A test rating that the candidate is further from: the true one and both predicted."""

    item: Shown
    candidate: float
    champion: float | None


@dataclass(frozen=True)
class Person:
    """One user; somebody new has no id. `champion` is None where there is none to compare with.

    `learnt` counts the ratings that the candidate knows, `tested` those that it was tested on.
    """

    user_id: str | None
    learnt: int
    tested: int
    candidate_rmse: float | None
    champion_rmse: float | None
    liked: tuple[Shown, ...]
    candidate: tuple[Shown, ...]
    champion: tuple[Shown, ...] | None
    misses: tuple[Miss, ...] = ()


@dataclass(frozen=True)
class People:
    """Users drawn by their ids with somebody new at the end, and those who lose most.

    `better`, `worse` and `same` count the users on whose test ratings the candidate is nearer,
    further off or as far; all are 0 without a champion.
    """

    drawn: tuple[Person, ...]
    losers: tuple[Person, ...]
    better: int
    worse: int
    same: int
    rows: int


def find_test_rows(evaluation: Bundle, served: Bundle) -> pd.DataFrame:
    """Return the ratings that a version was tested on: those that only its served bundle learnt."""
    rows = _list_ratings(served)
    learnt = _list_ratings(evaluation)[["user_id", "item_id"]].assign(learnt=True)
    joined = rows.merge(learnt, on=["user_id", "item_id"], how="left")
    return rows[joined["learnt"].isna().to_numpy()].reset_index(drop=True)


def meet_people(
    candidate: Predictor,
    champion: Predictor | None,
    test: pd.DataFrame,
    *,
    relevant_from: float | None,
) -> People:
    """Return the people of a page; the same models and rows give the same ones.

    `relevant_from` is the rating from which a test rating counts as liked; None marks none.
    """
    rows = test
    if champion is not None:
        rows = test[~_is_learnt(champion.bundle, test)]
    rows = rows.sort_values(["user_id", "item_id"], ignore_index=True)
    table = _Table.of(candidate, champion, rows)
    meeting = _Meeting(candidate, champion, table, relevant_from)
    losers = table.find_losers(_LOSERS)
    drawn = _draw(candidate.bundle, table, losers)
    return People(
        drawn=tuple(meeting.meet(user) for user in [*drawn, None]),
        losers=tuple(meeting.meet(user, with_misses=True) for user in losers),
        better=int((table.losses_U < 0).sum()) if champion is not None else 0,
        worse=int((table.losses_U > 0).sum()) if champion is not None else 0,
        same=int((table.losses_U == 0).sum()) if champion is not None else 0,
        rows=len(rows),
    )


@dataclass(frozen=True)
class _Table:
    """The test rows with both models' ratings, by user; without a champion, his are NaN."""

    rows: pd.DataFrame
    users_U: np.ndarray
    user_N: Ints
    candidate_N: Floats
    champion_N: Floats
    losses_N: Reals
    losses_U: Reals

    @classmethod
    def of(cls, candidate: Predictor, champion: Predictor | None, rows: pd.DataFrame) -> "_Table":
        ids = rows["user_id"].to_numpy(dtype=object).astype(str)
        users_U, user_N = np.unique(ids, return_inverse=True)
        truth_N = rows["rating"].to_numpy(np.float64)
        rated = [_rate(one, rows) for one in (candidate, champion)]
        missed = (rated[0] - truth_N) ** 2
        before = np.zeros(len(rows)) if champion is None else (rated[1] - truth_N) ** 2
        losses_N = missed - before
        sums_U = np.bincount(user_N, losses_N, len(users_U)).astype(np.float64)
        return cls(rows, users_U, user_N, rated[0], rated[1], losses_N, sums_U)

    def find_losers(self, count: int) -> list[str]:
        """Return the users whose squared errors grow most in sum, those that grow at all.

        Without a champion, the users with the most squared error.
        """
        finite_U = np.where(np.isfinite(self.losses_U), self.losses_U, np.inf)
        order = np.lexsort((self.users_U, -finite_U))[:count]
        return [str(self.users_U[user]) for user in order if finite_U[user] > 0]

    def of_user(self, user_id: str | None) -> Ints:
        """Return the positions of one user's rows."""
        if user_id is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.rows["user_id"].to_numpy(dtype=object) == user_id)


@dataclass(frozen=True)
class _Meeting:
    """Makes a person of a user id."""

    candidate: Predictor
    champion: Predictor | None
    table: _Table
    relevant_from: float | None

    def meet(self, user_id: str | None, *, with_misses: bool = False) -> Person:
        known = dict(_history(self.candidate.bundle, user_id))
        rated = set(known)
        if self.champion is not None:
            rated |= {one for one, _ in _history(self.champion.bundle, user_id)}
        mine = self.table.of_user(user_id)
        later = self._liked_later(mine)
        ours = _recommend(self.candidate, user_id, rated)
        theirs = None if self.champion is None else _recommend(self.champion, user_id, rated)
        before = None if theirs is None else {item for item, _ in theirs}
        return Person(
            user_id=user_id,
            learnt=len(known),
            tested=len(mine),
            candidate_rmse=self._rmse(self.table.candidate_N, mine),
            champion_rmse=self._rmse(self.table.champion_N, mine) if self.champion else None,
            liked=tuple(self._show(item, rating) for item, rating in _best(known)),
            candidate=tuple(
                self._show(item, rating, later, is_new=before is not None and item not in before)
                for item, rating in ours
            ),
            champion=None
            if theirs is None
            else tuple(self._show(item, rating, later) for item, rating in theirs),
            misses=self._misses(mine) if with_misses else (),
        )

    def _liked_later(self, mine: Ints) -> frozenset[str]:
        if self.relevant_from is None:
            return frozenset()
        rows = self.table.rows.iloc[mine]
        return frozenset(rows["item_id"][rows["rating"] >= self.relevant_from])

    def _rmse(self, rated_N: Floats, mine: Ints) -> float | None:
        if not len(mine):
            return None
        truth = self.table.rows["rating"].to_numpy(np.float64)[mine]
        return float(np.sqrt(((rated_N[mine] - truth) ** 2).mean()))

    def _misses(self, mine: Ints) -> tuple[Miss, ...]:
        """Return the rows on which a user loses most, the greatest loss first."""
        losses = self.table.losses_N[mine]
        order = [row for row in np.argsort(-losses, kind="stable") if losses[row] > 0][:_MISSES]
        found = []
        for at in mine[order]:
            row = self.table.rows.iloc[at]
            rated = None if self.champion is None else float(self.table.champion_N[at])
            item = self._show(str(row["item_id"]), float(row["rating"]))
            found.append(Miss(item, float(self.table.candidate_N[at]), rated))
        return tuple(found)

    def _show(
        self,
        item_id: str,
        rating: float,
        later: frozenset[str] = frozenset(),
        *,
        is_new: bool = False,
    ) -> Shown:
        title, image = _look_up(item_id, self.candidate, self.champion)
        return Shown(item_id, title, image, rating, item_id in later, is_new)


def _draw(bundle: Bundle, table: _Table, losers: Sequence[str]) -> list[str]:
    """Return tested users who rated enough to show: always the same, by the hash of their ids."""
    known = bundle.users.find(table.users_U.tolist())
    counts = np.append(np.diff(bundle.users.offsets), 0)[known]
    able = [str(user) for user, count in zip(table.users_U, counts, strict=True) if count]
    enough = [
        user
        for user, count in zip(table.users_U, counts, strict=True)
        if count >= _LEAST_LIKES and user not in losers
    ] or [user for user in able if user not in losers]
    return sorted(map(str, enough), key=lambda user: sha256(user.encode()).digest())[:_DRAWN]


def _list_ratings(bundle: Bundle) -> pd.DataFrame:
    users = bundle.users
    ids = np.array(users.user_ids, dtype=object)
    return pd.DataFrame(
        {
            "user_id": np.repeat(ids, np.diff(users.offsets)),
            "item_id": bundle.catalogue.items["item_id"].to_numpy(dtype=object)[users.items_N],
            "rating": users.ratings_N.astype(np.float64),
            "timestamp": users.times_N,
        }
    )


def _is_learnt(bundle: Bundle, rows: pd.DataFrame) -> Bools:
    learnt = _list_ratings(bundle)[["user_id", "item_id"]].assign(learnt=True)
    joined = rows.merge(learnt, on=["user_id", "item_id"], how="left")
    found: Bools = joined["learnt"].notna().to_numpy()
    return found


def _rate(predictor: Predictor | None, rows: pd.DataFrame) -> Floats:
    if predictor is None:
        return np.full(len(rows), np.nan, np.float32)
    return predictor.predict(rows["user_id"].tolist(), rows["item_id"].tolist())


def _history(bundle: Bundle, user_id: str | None) -> list[tuple[str, float]]:
    """Return what a user rated, the latest first."""
    if user_id is None:
        return []
    history = bundle.users.history(int(bundle.users.find([user_id])[0]))
    ids = bundle.catalogue.ids(history.items_N)
    return list(zip(ids, history.ratings_N.astype(float).tolist(), strict=True))[::-1]


def _best(known: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(known.items(), key=lambda pair: -pair[1])[:SHOWN]


def _recommend(
    predictor: Predictor, user_id: str | None, rated: set[str]
) -> list[tuple[str, float]]:
    indices = predictor.bundle.catalogue.find(sorted(rated))
    side = predictor.fold_user(user_id)
    listed = predictor.recommend(side, SHOWN, indices[indices != UNKNOWN]).items
    return [(one.item_id, one.score) for one in listed]


def _look_up(item_id: str, *predictors: Predictor | None) -> tuple[str, str | None]:
    """Return an item's title (else its id) and its first image, of the first model that has it."""
    for predictor in predictors:
        if predictor is None:
            continue
        (row,) = predictor.bundle.catalogue.find([item_id])
        if row != UNKNOWN:
            item = predictor.bundle.catalogue.items.iloc[row]
            images = list(item["images"])
            return str(item["title"]) or item_id, images[0] if images else None
    return item_id, None

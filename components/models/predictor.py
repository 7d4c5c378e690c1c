"""A bundle that answers by ids: ratings of pairs, lists for users, neighbours of items."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np

from components.models.bundle import Bundle
from components.models.catalogue import UNKNOWN, Bools, Floats, History, Ints
from components.models.categories import Categories
from components.models.diversity import diversify
from components.models.overlay import Overlay, find_withdrawn, widen
from components.models.protocol import Asker, Side, rate_pairs
from components.models.search import EXACT, Question, Searcher, strike
from components.models.trending import order_by_trend, trend


@dataclass(frozen=True)
class Ranked:
    """One item of a list: its id and its predicted rating, or its cosine for looks."""

    item_id: str
    score: float


@dataclass(frozen=True)
class Recommended:
    """A list, best first, and what it rests on: the user's path, or "rules" where that is "prior".

    A rule's list comes in the rule's order; the ratings shown are the model's all the same.
    """

    items: list[Ranked]
    path: str


class Predictor:
    """Answers from one immutable bundle; safe to share between threads.

    `tastes` finds the items of a list by their ratings, `looks` those that look alike.

    With an overlay, `bundle.catalogue` is the refreshed one: items that came since follow those
    that were learnt, and are answered for as images never seen. No answer about the others changes
    by a bit. Items that are withdrawn may be asked about, but are in no list.
    """

    def __init__(
        self,
        bundle: Bundle,
        overlay: Overlay | None = None,
        *,
        tastes: Searcher = EXACT,
        looks: Searcher = EXACT,
    ) -> None:
        self._tastes = tastes
        self._similar = looks
        self._model = bundle.recommender()
        self._reader = self._model
        self._items = self._model.known_items()
        self._learnt = len(self._items)
        if overlay is not None and len(overlay.appended):
            self._reader = widen(bundle, overlay)
            self._items = self._items.join(self._model.fold_items(overlay.embeddings_AE))
        if overlay is not None:
            bundle = replace(bundle, catalogue=overlay.extend(bundle.catalogue))
        self.bundle = bundle
        self.withdrawn = find_withdrawn(bundle.catalogue, overlay)
        self._open_I = np.ones(len(bundle.catalogue), np.bool_)
        self._open_I[self.withdrawn] = False
        width = bundle.catalogue.embeddings_IE.shape[1]
        self._prior_item = self._model.fold_items(np.zeros((1, width), np.float32))
        # Norms instead of a copy of unit length, which would be the largest thing in memory.
        self._norms_I = measure_lengths(bundle.catalogue.embeddings_IE)
        self._trending = self._order_by_trend()

    @property
    def items(self) -> Side:
        """Return the item side of the whole catalogue, in its order."""
        return self._items

    @property
    def appended(self) -> int:
        """How many items came since the bundle was learnt: the last ones of the catalogue."""
        return len(self._items) - self._learnt

    def is_appended(self, item: int) -> bool:
        """Whether the item with this dense index came since the bundle was learnt."""
        return item >= self._learnt

    @cached_property
    def categories(self) -> Categories:
        """Return which items belong to which categories."""
        return Categories.of(self.bundle.catalogue)

    def read_history(
        self, rated: Iterable[tuple[str, float]], times: Sequence[int] | None = None
    ) -> tuple[History, list[str]]:
        """Return the history of (item_id, rating) pairs, oldest first, and the unknown ids.

        `times` are in seconds, one a pair; without them, the ratings are of no particular time.
        """
        pairs = list(rated)
        if not pairs:
            return History.empty(), []
        indices = self.bundle.catalogue.find([item for item, _ in pairs])
        known = indices != UNKNOWN
        ratings = np.array([rating for _, rating in pairs], dtype=np.float32)
        unknown = [item for (item, _), is_known in zip(pairs, known, strict=True) if not is_known]
        times_N = np.asarray(times or [0] * len(pairs), dtype=np.int64)
        return History(indices[known], ratings[known], times_N[known]), unknown

    def fold_user(
        self, user_id: str | None, extra: History | None = None, now: int | None = None
    ) -> Side:
        """Return one user's side: what training knows of the id, then `extra` ratings on top.

        A later rating of the same item replaces the earlier one. `now` is when, in seconds; None
        asks regardless of time.
        """
        return self.fold_all([user_id], [extra], [now])

    def fold_all(
        self,
        user_ids: Sequence[str | None],
        extras: Sequence[History | None] | None = None,
        nows: Sequence[int | None] | None = None,
    ) -> Side:
        """Return the sides of many users, each as `fold_user` makes it."""
        book = self.bundle.users
        indices = [UNKNOWN if user is None else int(book.find([user])[0]) for user in user_ids]
        histories = [book.history(index) for index in indices]
        are_learnt = [index != UNKNOWN for index in indices]
        for row, extra in enumerate(extras or ()):
            if extra is not None and len(extra):
                histories[row], are_learnt[row] = _append(histories[row], extra), False
        return self.fold(
            [
                Asker(index, history, now, is_learnt)
                for index, history, now, is_learnt in zip(
                    indices, histories, nows or [None] * len(indices), are_learnt, strict=True
                )
            ]
        )

    def fold(self, askers: Sequence[Asker]) -> Side:
        """Return the sides of users whose whole histories the caller knows."""
        reads_new = [
            self.appended > 0 and bool((asker.history.items_N >= self._learnt).any())
            for asker in askers
        ]
        if not any(reads_new):
            return self._model.fold_users(askers)
        sides = [
            (self._reader if is_new else self._model).fold_users([asker])
            for asker, is_new in zip(askers, reads_new, strict=True)
        ]
        return reduce(Side.join, sides)

    def predict(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> Floats:
        """Return the predicted rating of each (user, item) pair; unknown ids get the priors."""
        return self.rate(self.user_side(user_ids), self.item_side(item_ids))

    def user_side(self, user_ids: Sequence[str]) -> Side:
        """Return the user side of ids, each folded once; an unknown id gets the prior."""
        users, rows = np.unique(np.asarray(user_ids, dtype=object).astype(str), return_inverse=True)
        return self.fold_all(users.tolist()).take(rows)

    def item_side(self, item_ids: Sequence[str]) -> Side:
        """Return the item side of ids; an unknown id gets the prior of an item without image."""
        indices = self.bundle.catalogue.find(item_ids)
        known = self._items.take(np.maximum(indices, 0))
        unknown_B = indices == UNKNOWN
        return Side(
            np.where(unknown_B, self._prior_item.bias_B, known.bias_B),
            np.where(unknown_B[:, None], self._prior_item.vectors_BD, known.vectors_BD),
            tuple(
                self._prior_item.paths[0] if unknown else path
                for path, unknown in zip(known.paths, unknown_B, strict=True)
            ),
        )

    def fold_image(self, embedding_E: Floats) -> Side:
        """Return the item side of an image never seen."""
        return self.fold_images(embedding_E[None, :])

    def fold_images(self, embeddings_BE: Floats) -> Side:
        """Return the item sides of images never seen."""
        return self._model.fold_items(embeddings_BE)

    def rate(self, users: Side, items: Side) -> Floats:
        """Return the ratings of B pairs, clipped to the scale; a single row on one side repeats."""
        return self._clip(rate_pairs(self._model.mean, users, items))

    def score(self, user: Side, items_N: Ints | None = None) -> Floats:
        """Return one user's predicted rating of some items (N,), or of all (I,), unclipped."""
        vector_D, bias_I = user.vectors_BD[0], self._items.bias_B
        if items_N is None:
            scores_I = self._multiply(self._items.vectors_BD, vector_D)
        else:
            scores_I, bias_I = self._items.vectors_BD[items_N] @ vector_D, bias_I[items_N]
        return scores_I + bias_I + user.bias_B[0] + np.float32(self._model.mean)

    def score_users(self, users: Side) -> Floats:
        """Return B users' predicted ratings of every item of the catalogue, unclipped (B, I)."""
        scores_BI = users.vectors_BD @ self._items.vectors_BD.T
        return scores_BI + self._items.bias_B + users.bias_B[:, None] + np.float32(self._model.mean)

    def recommend(
        self, user: Side, k: int, exclude: Ints, allowed_I: Bools | None = None
    ) -> Recommended:
        """Return what to show a user: the model's list, or what trends where it knows nothing.

        A bundle whose parameters name no half-life (`trending`) has no rule: its prior answers.
        """
        path = user.paths[0]
        if path != "prior" or self._trending is None:
            return Recommended(self.rank(user, k, exclude, allowed_I), path)
        allowed = self._trending if allowed_I is None else self._trending[allowed_I[self._trending]]
        shown = strike(allowed[: k + len(exclude)], exclude)[:k]
        return Recommended(self._list(shown, self._clip(self.score(user, shown))), "rules")

    def rank(
        self, user: Side, k: int, exclude: Ints, allowed_I: Bools | None = None
    ) -> list[Ranked]:
        """Return the k best items for a user, best first; equal scores in catalogue order."""
        best, scores = self._tastes.search(self.ask_taste(user, k, exclude, allowed_I))
        return self._list(best, self._clip(scores))

    def ask_taste(
        self, user: Side, k: int, exclude: Ints, allowed_I: Bools | None = None
    ) -> Question:
        """Return the question of which k items a user would rate best; its query is (vector, 1)."""
        return Question(
            np.append(user.vectors_BD[0], np.float32(1)),
            lambda items_N: self.score(user, items_N),
            len(self._items),
            k,
            exclude,
            self._keep_open(allowed_I),
        )

    def spread(self, wide: Recommended, k: int, diversity: float) -> Recommended:
        """Return k items of a longer list, those picked last least alike to those before.

        Of a rule's list the order is what counts, not the ratings shown.
        """
        indices = self.bundle.catalogue.find([item.item_id for item in wide.items])
        scores = [item.score for item in wide.items]
        if wide.path == "rules":
            scores = [-float(place) for place in range(len(scores))]
        picked = diversify(np.asarray(scores, np.float32), self.unit_looks(indices), k, diversity)
        return Recommended([wide.items[row] for row in picked], wide.path)

    def neighbours(
        self, embedding_E: Floats, k: int, exclude: Ints, allowed_I: Bools | None = None
    ) -> list[Ranked]:
        """Return the k items that look most like an embedding, by cosine; 1 is the same look."""
        best, cosines = self._similar.search(self.ask_look(embedding_E, k, exclude, allowed_I))
        return self._list(best, np.clip(cosines, -1, 1))

    def ask_look(
        self, embedding_E: Floats, k: int, exclude: Ints, allowed_I: Bools | None = None
    ) -> Question:
        """Return the question of which k items look most like an embedding."""
        unit_E = embedding_E / measure_lengths(embedding_E[None, :])[0]
        return Question(
            unit_E,
            lambda items_N: self._compare(unit_E, items_N),
            len(self._items),
            k,
            exclude,
            self._keep_open(allowed_I),
        )

    def unit_looks(self, items_N: Ints) -> Floats:
        """Return the embeddings of some items at length 1 (N, E)."""
        looks: Floats = self.bundle.catalogue.embeddings_IE[items_N]
        return looks / self._norms_I[items_N, None]

    def looks(self, item: int, others: Ints) -> Floats:
        """Return how much other items look like one, by cosine, all by dense index."""
        embeddings_IE = self.bundle.catalogue.embeddings_IE
        dots: Floats = embeddings_IE[others] @ embeddings_IE[item]
        return dots / (self._norms_I[others] * self._norms_I[item])

    def _compare(self, unit_E: Floats, items_N: Ints | None) -> Floats:
        """Return the cosines of items' looks with a look of length 1; −inf without an image."""
        catalogue = self.bundle.catalogue
        if items_N is None:
            cosines_I = self._multiply(catalogue.embeddings_IE, unit_E) / self._norms_I
            has_image_I = catalogue.has_image_I
        else:
            cosines_I = (catalogue.embeddings_IE[items_N] @ unit_E) / self._norms_I[items_N]
            has_image_I = catalogue.has_image_I[items_N]
        return np.where(has_image_I, cosines_I, np.float32(-np.inf))

    def _list(self, items: Ints, shown: Floats) -> list[Ranked]:
        ids = self.bundle.catalogue.ids(items)
        return [Ranked(item, float(value)) for item, value in zip(ids, shown, strict=True)]

    def _order_by_trend(self) -> Ints | None:
        section = self.bundle.params.get("trending")
        if section is None:
            return None
        bundle = self.bundle
        trend_I = trend(
            bundle.users, len(bundle.catalogue), bundle.scale, section["half_life_days"]
        )
        order = order_by_trend(trend_I, self.score(self.fold_user(None)))
        return order[~np.isin(order, self.withdrawn)]

    def _keep_open(self, allowed_I: Bools | None) -> Bools | None:
        """Return what is allowed without what is withdrawn."""
        if not len(self.withdrawn):
            return allowed_I
        return self._open_I if allowed_I is None else allowed_I & self._open_I

    def _multiply(self, rows_IX: Floats, vector_X: Floats) -> Floats:
        """Return rows @ vector; appended rows apart, for a longer product may round the others."""
        product: Floats
        if not self.appended:
            product = rows_IX @ vector_X
        else:
            learnt_IX, appended_IX = rows_IX[: self._learnt], rows_IX[self._learnt :]
            product = np.concatenate([learnt_IX @ vector_X, appended_IX @ vector_X])
        return product

    def _clip(self, ratings: Floats) -> Floats:
        return np.clip(ratings, *self.bundle.scale).astype(np.float32)


def measure_lengths(embeddings_BE: Floats) -> Floats:
    """Return the lengths of embeddings (B,), never zero."""
    squares_B = np.einsum("be,be->b", embeddings_BE, embeddings_BE)
    return np.sqrt(np.maximum(squares_B, np.float32(1e-24))).astype(np.float32)


def _append(history: History, extra: History) -> History:
    keep = ~np.isin(history.items_N, extra.items_N)
    last = {int(item): row for row, item in enumerate(extra.items_N)}
    rows = np.array(sorted(last.values()), dtype=np.int64)
    start = int(history.times_N.max()) if len(history) else 0
    return History(
        np.concatenate([history.items_N[keep], extra.items_N[rows]]),
        np.concatenate([history.ratings_N[keep], extra.ratings_N[rows]]),
        np.concatenate([history.times_N[keep], np.maximum(extra.times_N[rows], start)]),
    )

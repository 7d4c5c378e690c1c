"""The protocol that every family of recommenders keeps, and the form in which it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from components.models.catalogue import Catalogue, Floats, History, UserBook

Weights = dict[str, Floats]


@dataclass(frozen=True)
class Side:
    """One side of the dot product, for B users or B items.

    `paths` says for each row what the answer rests on: for users "factors" (seen in training),
    "history" (folded in from ratings), "prior" (nothing known); for items "factors", "images",
    "prior".
    """

    bias_B: Floats
    vectors_BD: Floats
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.bias_B)

    def take(self, rows: np.ndarray) -> "Side":
        """Return some of the rows, in the order asked for."""
        return Side(self.bias_B[rows], self.vectors_BD[rows], tuple(self.paths[r] for r in rows))

    def join(self, later: "Side") -> "Side":
        """Return these rows, then those of another side."""
        return Side(
            np.concatenate([self.bias_B, later.bias_B]),
            np.concatenate([self.vectors_BD, later.vectors_BD]),
            (*self.paths, *later.paths),
        )


@dataclass(frozen=True)
class Asker:
    """Somebody who asks: a dense index or UNKNOWN, and all the ratings that may be read.

    `now` is when, in seconds; None asks regardless of time: what fades with time has faded.
    `is_learnt` says that the history is what the model's own user book holds, nothing else, so
    that what was solved for once may be remembered.
    """

    user: int
    history: History
    now: int | None = None
    is_learnt: bool = False


def has_row_an_item(name: str, weight: Floats, items: int) -> bool:
    """Say whether a weight has a row an item; in every family those begin with `item` by name."""
    return name.startswith("item") and weight.shape[:1] == (items,)


def rate_pairs(mean: float, users: Side, items: Side) -> Floats:
    """Return the unclipped ratings of B pairs; a single row on one side repeats."""
    dots_B = np.einsum("bd,bd->b", *np.broadcast_arrays(users.vectors_BD, items.vectors_BD))
    return mean + users.bias_B + items.bias_B + dots_B


class Recommender(Protocol):
    """A trained recommender, answering from arrays; built once from weights, never changed."""

    family: ClassVar[str]
    mean: float

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None: ...

    def fold_users(self, users: Sequence[Asker]) -> Side:
        """Return the user side of those who ask.

        The history replaces the one known from training, it is not added to it: callers pass the
        whole of what may be read.
        """

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return the item side of items never seen, from their pooled image embeddings.

        A row of zeros stands for an item without an image, which gets the prior.
        """

    def known_items(self) -> Side:
        """Return the item side of all I items of the catalogue, in its order."""

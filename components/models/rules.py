"""What a rule writer would ship: how items of its category, and the item itself, did of late."""

from typing import ClassVar

import numpy as np

from components.models.biases import Popularity, flat_side
from components.models.catalogue import Catalogue, UserBook
from components.models.protocol import Side, Weights


class Rules(Popularity):
    """μ + b_i, where b_i is a recent mean residual shrunk towards that of the item's categories.

    `components.training.rules` has the formula. An item that nobody rated gets its categories'
    mean; an image that came in without a category gets zero, the mean of all.
    """

    family: ClassVar[str] = "rules"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        super().__init__(weights, catalogue, users)
        rated_I = np.bincount(users.items_N, minlength=len(catalogue)) > 0
        self._paths = tuple("factors" if rated else "prior" for rated in rated_I)

    def known_items(self) -> Side:
        """Return the items' levels."""
        side = flat_side(self._bias_I, "factors")
        return Side(side.bias_B, side.vectors_BD, self._paths)

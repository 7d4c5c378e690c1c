"""What would have been seen if nothing had changed: ratings of the test, drawn by whole users.

N ratings of the test, U users of the test, M ratings in service, T draws
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.models.catalogue import Ints
from components.statistics import Codes, Reals

_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Draw:
    """T draws: how often each user of the test is in it, and M rows in the place of what came."""

    times_TU: Ints
    rows_TM: Ints


@dataclass(frozen=True)
class Pool:
    """The test's N rows by user: user u has `order_N[offsets_U[u]:until_U[u]]`."""

    codes_N: Ints
    order_N: Ints
    offsets_U: Ints
    until_U: Ints

    @classmethod
    def of(cls, users_N: Codes) -> "Pool":
        """Sort rows by the user who gave them."""
        codes_N = np.unique(users_N, return_inverse=True)[1]
        until_U = np.cumsum(np.bincount(codes_N))
        offsets_U = np.append(0, until_U[:-1])
        return cls(codes_N, np.argsort(codes_N, kind="stable"), offsets_U, until_U)

    def sum_by_user(self, values_NK: Reals) -> Reals:
        """Return the sums (U, K) of columns by user."""
        sums: Reals = np.add.reduceat(values_NK[self.order_N], self.offsets_U, axis=0)
        return sums

    def draw(self, users_M: Codes, draws: int, seed: int) -> Iterator[Draw]:
        """Yield draws, some at a time, so that memory does not grow with them.

        A draw takes as many users of the test as there are, with replacement; and in the place of
        each user in service one of the test's, by chance in proportion to the ratings that they
        gave, and of that one as many ratings. So it is allowed for that the ratings of a user are
        alike, and that some users give many.
        """
        owner_M = np.unique(users_M, return_inverse=True)[1]
        users, rows, asked = len(self.until_U), len(self.order_N), int(owner_M.max()) + 1
        generator = np.random.default_rng(seed)
        block = max(1, _CELLS_AT_ONCE // max(len(owner_M), users))
        for start in range(0, draws, block):
            size = min(block, draws - start)
            times_TU = generator.multinomial(users, np.full(users, 1 / users), size)
            picked = generator.integers(0, rows, (size, asked))
            user_TM = np.searchsorted(self.until_U, picked, side="right")[:, owner_M]
            count_TM = self.until_U[user_TM] - self.offsets_U[user_TM]
            place_TM = (generator.random((size, len(owner_M))) * count_TM).astype(np.int64)
            yield Draw(times_TU, self.order_N[self.offsets_U[user_TM] + place_TM])

"""The categories of items; one text may name several of them, as in "Comedy|Drama".

Dimension letters as in `components.models`, and C categories, M memberships of an item in one.
"""

from dataclasses import dataclass

import numpy as np

from components.models.catalogue import Bools, Catalogue, Floats, Ints

SEPARATOR = "|"


def split_category(text: str) -> tuple[str, ...]:
    """Return the categories that a text names, each once, in its order; none for an empty text."""
    parts = (part.strip() for part in text.split(SEPARATOR))
    return tuple(dict.fromkeys(part for part in parts if part))


@dataclass(frozen=True)
class Categories:
    """Which items belong to which categories (CSR by item).

    Item i belongs to `codes_M[offsets[i]:offsets[i + 1]]`, which index the sorted `names`;
    `items_M` is the item of each membership.
    """

    names: tuple[str, ...]
    offsets: Ints
    items_M: Ints
    codes_M: Ints

    @classmethod
    def of(cls, catalogue: Catalogue) -> "Categories":
        """Read the catalogue's column `category`."""
        named = [split_category(str(text)) for text in catalogue.items["category"]]
        names = tuple(sorted({name for parts in named for name in parts}))
        code = {name: row for row, name in enumerate(names)}
        counts = [len(parts) for parts in named]
        return cls(
            names,
            np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
            np.repeat(np.arange(len(named)), counts),
            np.array([code[name] for parts in named for name in parts], dtype=np.int64),
        )

    def mask(self, name: str) -> Bools:
        """Return which of the I items belong to a category; raise KeyError if none is called so."""
        if name not in self.names:
            raise KeyError(name)
        mask_I = np.zeros(len(self.offsets) - 1, bool)
        mask_I[self.items_M[self.codes_M == self.names.index(name)]] = True
        return mask_I

    def average(self, values_C: np.ndarray) -> np.ndarray:
        """Return the mean of each item's categories' values (I,); zero for an item without any."""
        items = len(self.offsets) - 1
        sums_I = np.bincount(self.items_M, weights=values_C[self.codes_M], minlength=items)
        return sums_I / np.maximum(np.diff(self.offsets), 1)

    def expand(self, items_N: Ints) -> tuple[Ints, Ints]:
        """Return every (row, category) of N rows that each name an item: two arrays."""
        counts_N = np.diff(self.offsets)[items_N]
        rows = np.repeat(np.arange(len(items_N)), counts_N)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts_N) - counts_N, counts_N)
        return rows, self.codes_M[self.offsets[items_N][rows] + within]

    def features(self) -> Floats:
        """Return (I, C): the categories that each item belongs to, as centred numbers.

        Those of one item share a length of one, and the columns have a mean of zero over the items
        that belong to any: so zeros stand for an item of which nothing is known.
        """
        counts_I = np.diff(self.offsets)
        features_IC = np.zeros((len(counts_I), len(self.names)))
        features_IC[self.items_M, self.codes_M] = 1 / np.sqrt(counts_I[self.items_M])
        if len(self.items_M):
            features_IC[counts_I > 0] -= features_IC[counts_I > 0].mean(0)
        return features_IC.astype(np.float32)

"""Which images show which items, and an epoch's batches of items with each distinct image once.

Dimension letters: I items, J items of a batch, M images of items in all, N distinct images,
P distinct images of a batch, V the most images of an item in a batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Generator

from components.models.catalogue import Ints

NO_IMAGE = -1


@dataclass(frozen=True)
class Gallery:
    """The distinct images of a catalogue, and which of them show each item.

    Item i is shown by `images_M[offsets[i]:offsets[i + 1]]`.
    """

    sha256s: tuple[str, ...]
    images_M: Ints
    offsets: Ints

    @classmethod
    def of(cls, items: pd.DataFrame) -> "Gallery":
        """Index the column `images` (lists of sha256) of a catalogue's items."""
        lists = [list(images) for images in items["images"]]
        names, images_M = np.unique([name for one in lists for name in one], return_inverse=True)
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)
        return cls(tuple(names.tolist()), images_M.astype(np.int64), offsets)

    def images_of(self, item: int) -> Ints:
        """Return the images of an item, of which there may be none."""
        return self.images_M[self.offsets[item] : self.offsets[item + 1]]


@dataclass(frozen=True)
class Views:
    """J items, the P distinct images that show them, and each item's places among those.

    `places_JV` ends with NO_IMAGE where an item has fewer images than another.
    """

    items_J: Ints
    images_P: Ints
    places_JV: Ints

    @classmethod
    def of(cls, items: Sequence[int], images: Sequence[Ints]) -> "Views":
        """Put together what shows each item."""
        most = max((len(one) for one in images), default=0)
        padded_JV = np.full((len(items), most), NO_IMAGE, np.int64)
        for row, one in enumerate(images):
            padded_JV[row, : len(one)] = one
        shown_JV = padded_JV != NO_IMAGE
        images_P, places = np.unique(padded_JV[shown_JV], return_inverse=True)
        places_JV = np.full_like(padded_JV, NO_IMAGE)
        places_JV[shown_JV] = places
        return cls(np.array(items, np.int64), images_P, places_JV)


def plan_epoch(
    gallery: Gallery, items: Ints, images: int, images_per_item: int, generator: Generator
) -> Iterator[Views]:
    """Yield all `items` in random order, in batches of about `images` images.

    So an epoch encodes an image once for each item that it shows, however many ratings there are.
    Of an item with more images than `images_per_item` so many are drawn. An item without an image
    counts as one, and an item is never divided.
    """
    chosen: list[tuple[int, Ints]] = []
    held = 0
    for item in items[torch.randperm(len(items), generator=generator).numpy()].tolist():
        shown = gallery.images_of(item)
        if len(shown) > images_per_item:
            drawn = torch.randperm(len(shown), generator=generator)[:images_per_item]
            shown = shown[drawn.sort().values.numpy()]
        if chosen and held + max(1, len(shown)) > images:
            yield Views.of(*zip(*chosen, strict=True))
            chosen, held = [], 0
        chosen.append((item, shown))
        held += max(1, len(shown))
    if chosen:
        yield Views.of(*zip(*chosen, strict=True))

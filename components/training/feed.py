"""Pictures on their way to the encoder: prepared ahead in threads, and how long one waits for them.

Dimension letters: P pictures of a batch, S side of the square in pixels.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from components.features.preprocessing import Pixels
from components.parallel import map_ahead

T = TypeVar("T")
# While one batch is learnt the next two are made.
_BATCHES_AHEAD = 2


@dataclass
class Waiting:
    """How long the learner stood still because no picture was ready."""

    pictures: int = 0
    waited: float = 0.0
    total: float = 0.0

    @property
    def share(self) -> float:
        """The share of all time that was waited; 0 before anything happened."""
        return self.waited / self.total if self.total else 0.0


def feed(
    batches: Sequence[Sequence[T]],
    prepare: Callable[[T], Pixels],
    side: int,
    workers: int,
    waiting: Waiting,
    *,
    pinned: bool = False,
) -> Iterator[Tensor]:
    """Yield the bytes (P, S, S, 3) of each batch in order; `prepare` runs in threads.

    `waiting` is added to until the last batch has been asked for. Pinned memory is copied to a GPU
    while that computes.
    """
    most = max((len(batch) for batch in batches), default=0)
    ahead = max(1, _BATCHES_AHEAD * most, workers)
    pictures = map_ahead(prepare, chain.from_iterable(batches), threads=workers, ahead=ahead)
    began = time.monotonic()
    with closing(pictures):
        for batch in batches:
            asked = time.monotonic()
            pixels_PSS3 = np.empty((len(batch), side, side, 3), np.uint8)
            for row in range(len(batch)):
                pixels_PSS3[row] = next(pictures)
            tensor = torch.from_numpy(pixels_PSS3)
            waiting.waited += time.monotonic() - asked
            waiting.pictures += len(batch)
            yield tensor.pin_memory() if pinned else tensor
    waiting.total += time.monotonic() - began

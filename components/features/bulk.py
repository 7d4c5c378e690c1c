"""Many images through an encoder: batches prepared and encoded ahead, in threads.

Dimension letters: E width of an embedding, S side of the square in pixels.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import numpy as np
import torch

from components.features.encoders import Encoder, Floats
from components.features.preprocessing import Pixels
from components.parallel import map_ahead

T = TypeVar("T")


def encode_in_bulk(
    encoder: Encoder,
    prepare: Callable[[T], Pixels],
    images: Iterable[T],
    *,
    batch_size: int,
    workers: int,
) -> Iterator[Floats]:
    """Yield the embedding (E,) of each image in order; each worker encodes whole batches.

    One thread of torch a worker: two that wait for each other cost half the speed on a machine
    that does other things too. `prepare` makes the pixels (S, S, 3) of one image, in a worker.
    """

    def encode(batch: list[T]) -> Floats:
        side = encoder.preprocessing.side
        # Always a whole batch: the last digits of a sum depend on the shape it is computed in,
        # and an image's embedding must not depend on what was encoded beside it.
        pixels = np.zeros((batch_size, side, side, 3), np.uint8)
        for row, image in enumerate(batch):
            pixels[row] = prepare(image)
        return encoder.encode_pixels(pixels)[: len(batch)]

    with _one_torch_thread():
        batches = chunk(images, batch_size)
        for vectors in map_ahead(encode, batches, threads=workers, ahead=2 * workers):
            yield from vectors


def chunk(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items, the last one shorter; none if there are no items."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

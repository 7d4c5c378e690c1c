"""Images on this disk through an encoder, verified as they are read, kept in the store meanwhile.

Dimension letters: N images of a shard, E width of an embedding.
"""

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from components.errors import CorruptFileError
from components.features.bulk import chunk, encode_in_bulk
from components.features.encoders import Encoder
from components.features.preprocessing import Pixels, Preprocessing
from components.features.store import EmbeddingStore, Floats
from components.images import decode_image
from components.progress import track

# A killed run loses at most this many images, some ten seconds on two cores.
_SHARD_ROWS = 512

log = logging.getLogger(__name__)


def encode_files(
    root: Path,
    encoder: Encoder,
    images: Sequence[tuple[str, str]],
    store: EmbeddingStore | None,
    *,
    batch_size: int,
    workers: int,
    max_megapixels: float,
) -> Iterator[Floats]:
    """Yield the embeddings (N, E) of images, each (sha256, path from `root`), in their order.

    They come in shards, which go into the store meanwhile, unless there is none. Raises
    CorruptFileError naming the first image whose bytes are not those that were accepted.
    """
    started = time.monotonic()
    prepare = partial(_prepare, root, encoder.preprocessing, max_megapixels)
    encoded = encode_in_bulk(encoder, prepare, images, batch_size=batch_size, workers=workers)
    done = 0
    for shard in chunk(track(encoded, "embed", total=len(images)), _SHARD_ROWS):
        vectors_NE = np.stack(shard)
        if store is not None:
            store.append([sha256 for sha256, _ in images[done : done + len(shard)]], vectors_NE)
        done += len(shard)
        yield vectors_NE
    seconds = time.monotonic() - started
    log.info("images encoded images=%s seconds=%.1f", len(images), seconds)


def _prepare(
    root: Path, preprocessing: Preprocessing, max_megapixels: float, image: tuple[str, str]
) -> Pixels:
    sha256, path = image
    content = (root / path).read_bytes() if (root / path).is_file() else None
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        state = "is missing" if content is None else "has other bytes than were accepted"
        batch = Path(path).parents[1].name
        raise CorruptFileError(f"image {path} {state}; 'beholder fetch {batch}' brings it back")
    return preprocessing.prepare(decode_image(content, max_megapixels=max_megapixels))

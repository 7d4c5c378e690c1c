"""The step `embed`: every accepted image through the encoder, each only once in its life."""

import hashlib
import logging
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save

from components.devices import pick_device
from components.errors import CorruptFileError
from components.features.bulk import chunk, encode_in_bulk
from components.features.encoders import Encoder, load_encoder
from components.features.preprocessing import Pixels, Preprocessing
from components.features.store import EmbeddingStore, Floats
from components.files import read_parquet, write_bytes, write_folder, write_json, write_parquet
from components.images import decode_image
from components.parallel import count_cores
from components.params import Params
from components.paths import Workspace
from components.progress import track
from components.settings import Settings

# A killed run loses at most this many images, some ten seconds on two cores.
_SHARD_ROWS = 512

log = logging.getLogger(__name__)


def embed(workspace: Workspace, params: Params, settings: Settings) -> None:
    """Write data/embeddings for all accepted images, encoding only what the store lacks.

    Raises CorruptFileError naming the first image whose bytes are not those that were accepted.
    """
    images = read_parquet(workspace.accepted / "images.parquet")
    encoder = load_encoder(params.embed.encoder, params.embed.precision, pick_device(settings))
    store = EmbeddingStore(workspace.cache / "embeddings" / encoder.digest, encoder.width)
    hashes: list[str] = images["sha256"].tolist()
    vectors_NE, found = store.read(hashes)
    share = found.mean() if len(found) else 1.0
    log.info("embedding store read images=%s found=%s share=%.3f", len(found), found.sum(), share)
    started = time.monotonic()
    rows = np.flatnonzero(~found)
    workers = settings.threads or count_cores()
    prepare = partial(_prepare, workspace.root, encoder.preprocessing, _largest_megapixels(images))
    encoded = encode_in_bulk(
        encoder,
        prepare,
        images.iloc[rows][["sha256", "path"]].itertuples(index=False, name=None),
        batch_size=params.embed.batch_size,
        workers=workers,
    )
    done = 0
    for shard in chunk(track(encoded, "embed", total=len(rows)), _SHARD_ROWS):
        place, done = rows[done : done + len(shard)], done + len(shard)
        vectors_NE[place] = np.stack(shard)
        store.append([hashes[row] for row in place], vectors_NE[place])
    seconds = time.monotonic() - started
    log.info("images encoded images=%s seconds=%.1f", len(rows), seconds)
    _write(workspace, hashes, vectors_NE, encoder)


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


def _largest_megapixels(images: pd.DataFrame) -> float:
    # What validation let in is not judged a second time.
    return float((images["width"] * images["height"]).max() / 1e6) if len(images) else 0.0


def _write(workspace: Workspace, hashes: list[str], vectors_NE: Floats, encoder: Encoder) -> None:
    with write_folder(workspace.embeddings) as folder:
        write_bytes(folder / "vectors.safetensors", save({"vectors": vectors_NE}))
        write_parquet(
            folder / "images.parquet", pd.DataFrame({"sha256": pd.Series(hashes, dtype="string")})
        )
        encoder.save(folder / "encoder")
    write_json(
        workspace.embedding_report,
        {
            "images": len(hashes),
            "width": encoder.width,
            "encoder": {
                "name": encoder.name,
                "precision": encoder.precision,
                "digest": encoder.digest,
            },
        },
    )

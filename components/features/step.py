"""The step `embed`: every accepted image through the encoder, each only once in its life."""

import logging

import numpy as np
import pandas as pd
from safetensors.numpy import save

from components.devices import pick_device
from components.features.encoders import Encoder, load_encoder
from components.features.image_files import encode_files
from components.features.store import Floats, open_store
from components.files import read_parquet, write_bytes, write_folder, write_json, write_parquet
from components.parallel import count_cores
from components.params import Params
from components.paths import Workspace
from components.settings import Settings

log = logging.getLogger(__name__)


def embed(workspace: Workspace, params: Params, settings: Settings) -> None:
    """Write data/embeddings for all accepted images, encoding only what the store lacks.

    Raises CorruptFileError naming the first image whose bytes are not those that were accepted.
    """
    images = read_parquet(workspace.accepted / "images.parquet")
    encoder = load_encoder(params.embed.encoder, params.embed.precision, pick_device(settings))
    store = open_store(workspace, encoder.digest, encoder.width)
    hashes: list[str] = images["sha256"].tolist()
    vectors_NE, found = store.read(hashes)
    share = found.mean() if len(found) else 1.0
    log.info("embedding store read images=%s found=%s share=%.3f", len(found), found.sum(), share)
    rows = np.flatnonzero(~found)
    missing = images.iloc[rows][["sha256", "path"]].itertuples(index=False, name=None)
    shards = encode_files(
        workspace.root,
        encoder,
        list(missing),
        store,
        batch_size=params.embed.batch_size,
        workers=settings.threads or count_cores(),
        max_megapixels=_largest_megapixels(images),
    )
    done = 0
    for shard_NE in shards:
        vectors_NE[rows[done : done + len(shard_NE)]] = shard_NE
        done += len(shard_NE)
    _write(workspace, hashes, vectors_NE, encoder)


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

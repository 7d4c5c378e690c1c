"""The looks of items that came in since the champion learnt, through its own encoder.

M items, E width of an embedding
"""

import hashlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from components.batches import Batch, batch_folder, read_images, read_items
from components.errors import ImageError
from components.files import read_json
from components.images import decode_image
from components.models.catalogue import Floats
from components.models.pooling import pool_images
from components.params import Params
from components.paths import Workspace
from components.settings import load_settings
from flows.archive import Archive
from flows.monitoring import Subject

if TYPE_CHECKING:
    from components.features.store import EmbeddingStore

_STORE = "embeddings"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewItems:
    """Embeddings of new items; `unseen` had no image that could be looked at, `why` says more."""

    looks_ME: Floats
    unseen: int
    why: str = ""


def see_new_items(workspace: Workspace, subject: Subject, params: Params) -> NewItems:
    """Return the looks of at most `monitor.items` items that the champion does not know.

    Images that its encoder never saw are encoded once.
    """
    width = subject.served.catalogue.embeddings_IE.shape[1]
    nothing = np.zeros((0, width), np.float32)
    batches = _list_new_batches(workspace, subject)
    if batches is None:
        return NewItems(nothing, 0, "nobody knows any more which batches the champion learnt")
    items = _list_new_items(workspace, subject, batches)
    if items.empty:
        shutil.rmtree(workspace.monitor / _STORE, ignore_errors=True)
        return NewItems(nothing, 0, "no item came in since the champion learnt")
    drawn = _draw(items, params.monitor.items, params.monitor.seed)
    paths = _list_images(workspace, batches)
    wanted = {
        image: paths[image] for images in drawn["images"] for image in images if image in paths
    }
    seen = _embed(workspace, subject.folder / "encoder", wanted, params, width)
    query_E = subject.served.weights.get("pooling")
    looks = [
        pool_images(np.stack(rows), query_E)
        for images in drawn["images"]
        if (rows := [seen[image] for image in images if image in seen])
    ]
    found = np.stack(looks).astype(np.float32) if looks else nothing
    return NewItems(found, len(drawn) - len(looks))


def _list_new_batches(workspace: Workspace, subject: Subject) -> list[Batch] | None:
    with Archive(workspace) as archive:
        learnt = archive.batches(subject.version)
        if learnt is None:
            return None
        ids = {batch.id for batch in learnt}
        return [batch for batch in archive.listed if batch.id not in ids and batch.items]


def _list_new_items(workspace: Workspace, subject: Subject, batches: list[Batch]) -> pd.DataFrame:
    """Return item_id and images of new items, as the last batch that names them has them."""
    frames = [read_items(batch_folder(workspace, batch.id)) for batch in batches]
    columns = ["item_id", "images"]
    rows = pd.concat([frame[columns] for frame in frames] or [pd.DataFrame(columns=columns)])
    rows = rows.drop_duplicates("item_id", keep="last")
    is_known = rows["item_id"].isin(subject.served.catalogue.items["item_id"])
    return rows[~is_known.astype(bool)].sort_values("item_id")


def _list_images(workspace: Workspace, batches: list[Batch]) -> dict[str, Path]:
    paths = {}
    for batch in batches:
        folder = batch_folder(workspace, batch.id)
        images = read_images(folder)
        for sha256, file in zip(images["sha256"], images["file"], strict=True):
            paths[str(sha256)] = folder / "images" / str(file)
    return {sha256: path for sha256, path in paths.items() if path.is_file()}


def _embed(
    workspace: Workspace, encoder: Path, images: dict[str, Path], params: Params, width: int
) -> dict[str, Floats]:
    """Return the embedding of each image that can be decoded, by its sha256.

    What must be encoded is kept in a store of the looks' own, for the other one is written under
    the lock of retrainings, which must not wait for a look.
    """
    from components.features.store import EmbeddingStore, open_store

    digest = read_json(encoder / "encoder.json")["digest"]
    own = EmbeddingStore(workspace.monitor / _STORE / digest, width)
    seen: dict[str, Floats] = {}
    for store in (open_store(workspace, digest, width), own):
        hashes = sorted(images.keys() - seen.keys())
        vectors, found = store.read(hashes)
        seen |= {hashes[row]: vectors[row] for row in np.flatnonzero(found)}
    missing = [
        (sha256, path.relative_to(workspace.root).as_posix())
        for sha256, path in sorted(images.items())
        if sha256 not in seen and _is_usable(path, params)
    ]
    return seen | (_encode(workspace, encoder, missing, params, own) if missing else {})


def _encode(
    workspace: Workspace,
    encoder: Path,
    images: list[tuple[str, str]],
    params: Params,
    store: "EmbeddingStore",
) -> dict[str, Floats]:
    from components.devices import pick_device
    from components.features.encoders import open_encoder
    from components.features.image_files import encode_files
    from components.parallel import count_cores

    settings = load_settings()
    shards = encode_files(
        workspace.root,
        open_encoder(encoder, pick_device(settings)),
        images,
        store,
        batch_size=params.embed.batch_size,
        workers=settings.threads or count_cores(),
        max_megapixels=params.validation.max_image_megapixels,
    )
    rows = (vector for shard in shards for vector in shard)
    return {sha256: vector for (sha256, _), vector in zip(images, rows, strict=True)}


def _draw(items: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Return at most so many items, the same ones as long as they are there, whatever comes in."""
    order = [hashlib.sha256(f"{seed}:{item}".encode()).digest() for item in items["item_id"]]
    return items.iloc[np.argsort(np.array(order, dtype="S32"), kind="stable")[:most]]


def _is_usable(path: Path, params: Params) -> bool:
    try:
        limit = params.validation.max_image_megapixels
        decode_image(path.read_bytes(), max_megapixels=limit)
    except ImageError as error:
        log.info("image not looked at file=%s why=%s", path.name, error)
        return False
    return True

"""From a snapshot of the accepted items to what it changes about a bundle's catalogue.

Dimension letters as in `components.models`, and N images.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open

from components.catalogue.snapshot import Snapshot, overlay_folder
from components.devices import pick_device
from components.errors import CorruptFileError
from components.files import read_json, read_parquet
from components.models.availability import read_available
from components.models.bundle import read_digest
from components.models.catalogue import Catalogue, Floats
from components.models.overlay import SHOWN, Overlay, verify_overlay, write_overlay
from components.parallel import count_cores
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.training.inputs import ImageVectors, pool_catalogue

# What validation let in is not judged a second time.
_ANY_SIZE = float("inf")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Encoding:
    """How images that were never encoded are: `keep` puts them into the store, under its lock."""

    params: Params
    settings: Settings
    keep: bool


def derive_overlay(
    workspace: Workspace,
    snapshot: Snapshot,
    bundle: Path,
    encoding: Encoding,
    *,
    data_version: str | None,
) -> tuple[Path, str] | None:
    """Return the folder and digest of what a snapshot changes about a served bundle.

    None where it changes nothing. What was derived before is taken if it still is as it was
    written. `data_version` is the version of the data that the bundle learnt from: where this
    workspace never had it, the bundle may be newer than the snapshot, so an item that only the
    bundle knows is not withdrawn. Raises CorruptFileError naming an image that must be encoded
    and is not here.
    """
    digest = read_digest(bundle)
    folder = overlay_folder(workspace, snapshot, digest)
    if folder.is_dir():
        try:
            return folder, verify_overlay(folder)
        except CorruptFileError as error:
            log.warning("catalogue damaged, deriving it anew reason=%s", error)
    known = read_parquet(bundle / "items.parquet")
    items = snapshot.items()
    differences = find_differences(known, items, is_newer=data_version in snapshot.known)
    if differences is None:
        return None
    appended, renamed, withdrawn = differences
    seen = _see(workspace, snapshot, bundle, appended, encoding)
    overlay = Overlay(appended, seen.embeddings_IE, seen.has_image_I, renamed, withdrawn)
    written = write_overlay(overlay, digest, folder)
    log.info("catalogue derived bundle=%s %s", digest[:16], overlay.counts)
    return folder, written


def find_differences(
    known: pd.DataFrame, items: pd.DataFrame, *, is_newer: bool
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]] | None:
    """Return what `items` change about those that a bundle knows; None if nothing.

    That is: the rows to append, those that are called otherwise by now, and the ids of all that
    must not be recommended. With `is_newer` the latter hold what only the bundle knows too.
    """
    is_known = items["item_id"].isin(known["item_id"]).to_numpy()
    appended = items[~is_known][[*SHOWN, "images"]].reset_index(drop=True)
    both = known[list(SHOWN)].merge(items[list(SHOWN)], on="item_id", suffixes=("_before", ""))
    is_renamed = (both["title"] != both["title_before"]) | (
        both["category"] != both["category_before"]
    )
    renamed = both[is_renamed][list(SHOWN)].reset_index(drop=True)
    gone = set(known["item_id"]) - set(items["item_id"])
    by_bundle = set(known["item_id"][~read_available(known)])
    withdrawn = set(items["item_id"][~read_available(items)]) | (
        gone if is_newer else by_bundle & gone
    )
    if not len(appended) and not len(renamed) and withdrawn == by_bundle:
        return None
    return appended, renamed, tuple(sorted(withdrawn))


def _see(
    workspace: Workspace,
    snapshot: Snapshot,
    bundle: Path,
    appended: pd.DataFrame,
    encoding: Encoding,
) -> Catalogue:
    """Return appended items with their embeddings, by the bundle's own encoder and pooling."""
    hashes = sorted({sha256 for images in appended["images"] for sha256 in images})
    vectors = ImageVectors(
        tuple(hashes), _encode(workspace, snapshot, bundle / "encoder", hashes, encoding)
    )
    with safe_open(bundle / "weights.safetensors", "numpy") as weights:
        names = set(weights.keys())
        query_E = weights.get_tensor("pooling") if "pooling" in names else None
    return pool_catalogue(appended, vectors, query_E)


def _encode(
    workspace: Workspace,
    snapshot: Snapshot,
    encoder: Path,
    hashes: Sequence[str],
    encoding: Encoding,
) -> Floats:
    from components.features.store import open_store

    written = read_json(encoder / "encoder.json")
    store = open_store(workspace, written["digest"], written["width"])
    vectors_NE, found = store.read(hashes)
    rows = np.flatnonzero(~found).tolist()
    if not rows:
        return vectors_NE
    from components.features.encoders import open_encoder
    from components.features.image_files import encode_files

    paths = snapshot.image_paths()
    shards = encode_files(
        workspace.root,
        open_encoder(encoder, pick_device(encoding.settings)),
        [(hashes[row], paths[hashes[row]]) for row in rows],
        store if encoding.keep else None,
        batch_size=encoding.params.embed.batch_size,
        workers=encoding.settings.threads or count_cores(),
        max_megapixels=_ANY_SIZE,
    )
    vectors_NE[rows] = np.concatenate(list(shards))
    return vectors_NE

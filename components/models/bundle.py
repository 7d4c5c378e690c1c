"""The bundle on disk: a trained recommender with all that it needs to answer, and a manifest.

    bundle/
      manifest.json          family, parameters, scale, inputs, and the sha256 of every other file
      weights.safetensors    the family's own tensors
      catalogue.safetensors  embeddings (I, E) and has_image (I,)
      items.parquet          item_id, title, category, images and any further column
      users.safetensors      offsets, items, ratings, times
      users.parquet          user_id
      encoder/, golden/      in served bundles only

No pickle anywhere; the bundle's digest is the hash of its manifest, so of every byte.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from components.errors import CorruptFileError
from components.files import (
    find_difference,
    hash_json,
    hash_tree,
    read_json,
    read_parquet,
    write_bytes,
    write_json,
    write_parquet,
)
from components.models.catalogue import Catalogue, UserBook
from components.models.families import build
from components.models.mapped import map_floats
from components.models.protocol import Recommender, Weights

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Bundle:
    """A trained recommender and what it was learnt from.

    `scale` is (lowest, highest) rating; `params` the sections of params.yaml that made it;
    `inputs` the digests of what it read (data version, code and so on); `facts` whatever else
    should be remembered (epochs, rows).
    """

    family: str
    weights: Weights
    catalogue: Catalogue
    users: UserBook
    scale: tuple[float, float]
    params: dict[str, Any]
    inputs: dict[str, str]
    facts: dict[str, Any]

    def recommender(self) -> Recommender:
        """Build the family's recommender from the weights."""
        return build(self.family, self.weights, self.catalogue, self.users)


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle into an existing folder; call `seal_bundle` when all else lies in it too."""
    write_bytes(folder / "weights.safetensors", save(_contiguous(bundle.weights)))
    write_bytes(
        folder / "catalogue.safetensors",
        save(
            _contiguous(
                {
                    "embeddings": bundle.catalogue.embeddings_IE,
                    "has_image": bundle.catalogue.has_image_I,
                }
            )
        ),
    )
    write_parquet(folder / "items.parquet", bundle.catalogue.items)
    users = bundle.users
    write_bytes(
        folder / "users.safetensors",
        save(
            _contiguous(
                {
                    "offsets": users.offsets,
                    "items": users.items_N,
                    "ratings": users.ratings_N,
                    "times": users.times_N,
                }
            )
        ),
    )
    write_parquet(folder / "users.parquet", _user_frame(users))
    _write_manifest(bundle, folder)


def seal_bundle(folder: Path) -> str:
    """Write the sha256 of every file into the manifest and return the bundle's digest."""
    manifest = read_json(folder / MANIFEST)
    manifest["files"] = {name: sha for name, sha in hash_tree(folder).items() if name != MANIFEST}
    write_json(folder / MANIFEST, manifest)
    return hash_json(manifest)


def read_digest(folder: Path) -> str:
    """Return the digest of the bundle in a folder, as its manifest claims it."""
    return hash_json(read_json(folder / MANIFEST))


def verify_bundle(folder: Path) -> str:
    """Re-hash every file against the manifest and return the digest.

    Raises CorruptFileError naming the first file that is missing, changed or not listed.
    """
    manifest = read_json(folder / MANIFEST)
    found = hash_tree(folder)
    found.pop(MANIFEST, None)
    if difference := find_difference(manifest["files"], found):
        raise CorruptFileError(
            f"bundle {folder}: {difference}; restore it with 'dvc checkout' or retrain"
        )
    return hash_json(manifest)


def load_bundle(folder: Path) -> Bundle:
    """Verify and read a bundle; raise CorruptFileError if a byte is not as it was written."""
    if not (folder / MANIFEST).is_file():
        raise CorruptFileError(f"bundle {folder}: {MANIFEST} is missing")
    verify_bundle(folder)
    manifest = read_json(folder / MANIFEST)
    if manifest["format"] != FORMAT:
        raise CorruptFileError(
            f"bundle {folder} has format {manifest['format']}, this version reads {FORMAT}"
        )
    try:
        weights = load_file(folder / "weights.safetensors")
        with safe_open(folder / "catalogue.safetensors", framework="np") as arrays:
            has_image_I = arrays.get_tensor("has_image")
        rated = load_file(folder / "users.safetensors")
    except SafetensorError as error:
        raise CorruptFileError(f"bundle {folder}: {error}") from error
    catalogue = Catalogue(
        read_parquet(folder / "items.parquet"),
        # By far the largest part of a bundle, so the workers of an endpoint share it.
        map_floats(folder / "catalogue.safetensors", "embeddings"),
        has_image_I,
    )
    user_ids = tuple(read_parquet(folder / "users.parquet")["user_id"].tolist())
    return Bundle(
        family=manifest["family"],
        weights=weights,
        catalogue=catalogue,
        users=UserBook(
            user_ids, rated["offsets"], rated["items"], rated["ratings"], rated["times"]
        ),
        scale=(manifest["scale"][0], manifest["scale"][1]),
        params=manifest["params"],
        inputs=manifest["inputs"],
        facts=manifest["facts"],
    )


def _user_frame(users: UserBook) -> Any:
    import pandas as pd

    return pd.DataFrame({"user_id": pd.Series(users.user_ids, dtype="string")})


def _contiguous(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _write_manifest(bundle: Bundle, folder: Path) -> None:
    write_json(
        folder / MANIFEST,
        {
            "format": FORMAT,
            "family": bundle.family,
            "scale": list(bundle.scale),
            "params": bundle.params,
            "inputs": bundle.inputs,
            "facts": bundle.facts,
            "counts": {
                "items": len(bundle.catalogue),
                "users": len(bundle.users),
                "ratings": len(bundle.users.items_N),
            },
        },
    )

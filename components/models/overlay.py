"""What changed in the catalogue since a bundle was learnt: new, renamed and withdrawn items.

    <folder>/
      manifest.json          the bundle's digest, counts, and the sha256 of every other file
      appended.parquet       item_id, title, category, images of items that the bundle does not know
      appended.safetensors   embeddings (A, E) by the bundle's own encoder, and has_image (A,)
      renamed.parquet        item_id, title, category of items that it knows otherwise
      withdrawn.parquet      item_id of every item that is not recommended

It belongs to one bundle and is opened together with it. Nothing in it is learnt: the bundle answers
for an appended item as for any image that it has never seen. Its digest is the hash of its
manifest, so of every byte.

Dimension letters as in `components.models`, and A appended items.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load, save

from components.errors import CorruptFileError
from components.files import (
    find_difference,
    hash_json,
    hash_tree,
    read_json,
    read_parquet,
    write_bytes,
    write_folder,
    write_json,
    write_parquet,
)
from components.models.availability import read_available
from components.models.bundle import Bundle
from components.models.catalogue import UNKNOWN, Bools, Catalogue, Floats, Ints
from components.models.protocol import Recommender, has_row_an_item

FORMAT = 1
MANIFEST = "manifest.json"
APPENDED = "appended.parquet"
SHOWN = ("item_id", "title", "category")


@dataclass(frozen=True)
class Overlay:
    """New items (`appended`, with their looks), `renamed` ones, and all that are `withdrawn`.

    `withdrawn` stands in the place of the bundle's own column `available`.
    """

    appended: pd.DataFrame
    embeddings_AE: Floats
    has_image_A: Bools
    renamed: pd.DataFrame
    withdrawn: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many items of each kind."""
        return {
            "appended": len(self.appended),
            "renamed": len(self.renamed),
            "withdrawn": len(self.withdrawn),
        }

    def extend(self, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue that is shown: the bundle's items in their places, then the new."""
        items = catalogue.items
        if len(self.renamed):
            rows = catalogue.find(self.renamed["item_id"].tolist())
            items = items.copy()
            for name in ("title", "category"):
                cells = items[name].to_numpy(dtype=object).copy()
                cells[rows] = self.renamed[name].to_numpy(dtype=object)
                items[name] = cells
        return self._append(Catalogue(items, catalogue.embeddings_IE, catalogue.has_image_I))

    def extend_learnt(self, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue as the model may see it: names as learnt, the new of no category.

        What a category says of an item was weighed against those that were learnt.
        """
        return replace(self, appended=self.appended.assign(category=""))._append(catalogue)

    def _append(self, catalogue: Catalogue) -> Catalogue:
        if not len(self.appended):
            return catalogue
        items, columns = catalogue.items, list(catalogue.items.columns)
        return Catalogue(
            pd.concat([items, self.appended], ignore_index=True)[columns].fillna(""),
            np.concatenate([catalogue.embeddings_IE, self.embeddings_AE]),
            np.concatenate([catalogue.has_image_I, self.has_image_A]),
        )


def widen(bundle: Bundle, overlay: Overlay) -> Recommender:
    """Return the bundle's recommender as if it had known the new items, and nobody rated them.

    So histories may hold them. What nobody rated has zeros in the weights that have a row an item,
    and its image speaks for it.
    """
    known, new = len(bundle.catalogue), len(overlay.appended)
    weights = {
        name: np.concatenate([weight, np.zeros((new, *weight.shape[1:]), weight.dtype)])
        if has_row_an_item(name, weight, known)
        else weight
        for name, weight in bundle.weights.items()
    }
    catalogue = overlay.extend_learnt(bundle.catalogue)
    return replace(bundle, weights=weights, catalogue=catalogue).recommender()


def find_withdrawn(catalogue: Catalogue, overlay: Overlay | None) -> Ints:
    """Return the dense indices of a shown catalogue's items that must not be recommended."""
    if overlay is None:
        return np.flatnonzero(~read_available(catalogue.items))
    indices = catalogue.find(overlay.withdrawn)
    return indices[indices != UNKNOWN]


def write_overlay(overlay: Overlay, bundle: str, folder: Path) -> str:
    """Write an overlay of the bundle with this digest, whole or not at all; return its digest."""
    with write_folder(folder) as beside:
        arrays = {
            "embeddings": np.ascontiguousarray(overlay.embeddings_AE, np.float32),
            "has_image": np.ascontiguousarray(overlay.has_image_A, np.bool_),
        }
        write_bytes(beside / "appended.safetensors", save(arrays))
        write_parquet(beside / APPENDED, overlay.appended)
        write_parquet(beside / "renamed.parquet", overlay.renamed)
        withdrawn = pd.DataFrame({"item_id": pd.Series(overlay.withdrawn, dtype="string")})
        write_parquet(beside / "withdrawn.parquet", withdrawn)
        files = hash_tree(beside)
        manifest = {"format": FORMAT, "bundle": bundle, "counts": overlay.counts, "files": files}
        write_json(beside / MANIFEST, manifest)
    return hash_json(manifest)


def verify_overlay(folder: Path) -> str:
    """Re-hash every file against the manifest and return the digest.

    Raises CorruptFileError naming the first file that is missing, changed or not listed.
    """
    manifest = _read_manifest(folder)
    found = hash_tree(folder)
    found.pop(MANIFEST, None)
    if difference := find_difference(manifest["files"], found):
        raise CorruptFileError(f"catalogue {folder}: {difference}; {_MEND}")
    return hash_json(manifest)


def read_overlay(folder: Path, bundle: str, digest: str | None = None) -> Overlay:
    """Verify and read an overlay of the bundle with this digest.

    Raises CorruptFileError if a byte is not as it was written, if it belongs to another bundle, or
    if its own digest is not the one that is wanted.
    """
    found = verify_overlay(folder)
    if digest not in (None, found):
        raise CorruptFileError(f"catalogue {folder} is another one than was ordered; {_MEND}")
    made_for = _read_manifest(folder)["bundle"]
    if made_for != bundle:
        raise CorruptFileError(
            f"catalogue {folder} belongs to the bundle {made_for[:16]}, not {bundle[:16]}; {_MEND}"
        )
    try:
        arrays = load((folder / "appended.safetensors").read_bytes())
        return Overlay(
            read_parquet(folder / APPENDED),
            arrays["embeddings"],
            arrays["has_image"],
            read_parquet(folder / "renamed.parquet"),
            tuple(read_parquet(folder / "withdrawn.parquet")["item_id"].tolist()),
        )
    except (SafetensorError, KeyError) as error:
        raise CorruptFileError(f"catalogue {folder} cannot be read ({error}); {_MEND}") from error


def read_overlay_digest(folder: Path) -> str:
    """Return the digest of the overlay in a folder, as its manifest claims it."""
    return hash_json(_read_manifest(folder))


def read_counts(folder: Path) -> dict[str, int]:
    """Return how many items an overlay appends, renames and withdraws, as its manifest says."""
    return dict(_read_manifest(folder)["counts"])


_MEND = "run 'beholder catalogue refresh'"


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not (folder / MANIFEST).is_file():
        raise CorruptFileError(f"catalogue {folder}: {MANIFEST} is missing; {_MEND}")
    manifest: Any = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CorruptFileError(f"catalogue {folder} has a format that this version cannot read")
    if not all(name in manifest for name in ("bundle", "counts", "files")):
        raise CorruptFileError(f"catalogue {folder}: {MANIFEST} is changed; {_MEND}")
    return manifest

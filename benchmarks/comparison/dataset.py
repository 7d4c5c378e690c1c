"""A folder of real data as the fits read it: ratings in file order, a catalogue with embeddings.

What the steps `validate` and `embed` would leave is laid down in a folder of the cache, so that
every family finds there what it would find in a workspace.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.data.tables import parse_items, read_table
from components.errors import DataError
from components.features.step import embed
from components.files import hash_file, hash_json, write_parquet
from components.images import read_header
from components.models.catalogue import Catalogue
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.training.inputs import read_catalogue, read_vectors

_DATA = "data/raw/batches/benchmark"
_ID_LENGTH = 16


@dataclass(frozen=True)
class Dataset:
    """`ratings` in the order of the file; `digest` names the catalogue and its embeddings."""

    ratings: pd.DataFrame
    catalogue: Catalogue
    workspace: Workspace
    digest: str


def read_dataset(data: Path, cache: Path, params: Params, settings: Settings) -> Dataset:
    """Read items.csv, the images that it names, and ratings.csv; encode what the cache lacks.

    Raises DataError for rows that a workspace would refuse: here nothing is left out, so that all
    are measured on the same rows.
    """
    items, refusals = parse_items(read_table(data / "items.csv", "items")[0])
    if refusals:
        raise DataError(f"{data / 'items.csv'}: {refusals[0]}; mend the file")
    ratings = _read_ratings(data / "ratings.csv", items, params)
    hashes = {name: _hash_image(data, name) for names in items["images"] for name in names}
    digest = hash_json({"items": hash_file(data / "items.csv"), "images": hashes})
    workspace = Workspace(cache / "data" / digest[:_ID_LENGTH])
    _lay_down(workspace, data, items, hashes)
    embed(workspace, params, settings)
    catalogue = read_catalogue(workspace, read_vectors(workspace))
    vectors = hash_file(workspace.embeddings / "vectors.safetensors")
    return Dataset(ratings, catalogue, workspace, hash_json({"items": digest, "vectors": vectors}))


def _hash_image(data: Path, name: str) -> str:
    if not (data / name).is_file():
        raise DataError(f"items.csv names the image {name!r}, which {data} does not hold")
    return hash_file(data / name)


def _lay_down(
    workspace: Workspace, data: Path, items: pd.DataFrame, hashes: dict[str, str]
) -> None:
    link = workspace.root / _DATA
    link.parent.mkdir(parents=True, exist_ok=True)
    # The same bytes may lie elsewhere now.
    link.unlink(missing_ok=True)
    link.symlink_to(data.resolve(), target_is_directory=True)
    images = [_describe(data, name, sha256) for name, sha256 in hashes.items()]
    frame = pd.DataFrame(images).drop_duplicates("sha256").sort_values("sha256")
    write_parquet(workspace.accepted / "images.parquet", frame)
    named = pd.Series([[hashes[name] for name in names] for names in items["images"]], items.index)
    accepted = items.assign(images=named)
    write_parquet(workspace.accepted / "items.parquet", accepted.sort_values("item_id"))


def _describe(data: Path, name: str, sha256: str) -> dict[str, object]:
    header = read_header((data / name).read_bytes())
    size = {"width": header.width, "height": header.height}
    return {"sha256": sha256, "path": f"{_DATA}/{name}", **size}


def _read_ratings(path: Path, items: pd.DataFrame, params: Params) -> pd.DataFrame:
    types = {"user_id": str, "item_id": str, "rating": np.float64, "timestamp": np.int64}
    try:
        ratings = pd.read_csv(path, dtype=types, usecols=list(types))[list(types)]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); it needs {', '.join(types)}") from error
    low, high = params.data.rating_min, params.data.rating_max
    checks = {
        "stand again for their user and item": ratings.duplicated(["user_id", "item_id"]),
        "name an item that items.csv does not hold": ~ratings["item_id"].isin(items["item_id"]),
        f"lie outside {low} to {high}": ~ratings["rating"].between(low, high),
    }
    for wrong, found in checks.items():
        if found.any():
            first = int(np.flatnonzero(found.to_numpy())[0]) + 1
            raise DataError(f"{path}: {found.sum()} rows {wrong} (first: row {first})")
    return ratings

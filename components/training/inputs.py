"""What training reads from a workspace: the catalogue with its embeddings, ratings, digests."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from components.errors import CorruptFileError, DataError
from components.files import hash_file, parse_yaml, read_parquet
from components.models.catalogue import Catalogue, Floats
from components.models.pooling import pool_images
from components.paths import Workspace

_ITEM_COLUMNS = ("item_id", "title", "category", "images")


@dataclass(frozen=True)
class ImageVectors:
    """The embedding of every accepted image: row n of `vectors_NE` belongs to `sha256s[n]`."""

    sha256s: tuple[str, ...]
    vectors_NE: Floats


def read_vectors(workspace: Workspace) -> ImageVectors:
    """Read what `embed` wrote; raise CorruptFileError if its two files do not fit."""
    path = workspace.embeddings / "vectors.safetensors"
    try:
        vectors_NE = load_file(path)["vectors"]
    except (SafetensorError, KeyError) as error:
        raise CorruptFileError(
            f"{path} holds no vectors ({error}); run 'dvc repro embed'"
        ) from error
    sha256s = tuple(read_parquet(workspace.embeddings / "images.parquet")["sha256"].tolist())
    if len(sha256s) != len(vectors_NE):
        raise CorruptFileError(
            f"{path} has {len(vectors_NE)} rows for {len(sha256s)} images; run 'dvc repro embed'"
        )
    return ImageVectors(sha256s, vectors_NE)


def read_catalogue(workspace: Workspace, vectors: ImageVectors) -> Catalogue:
    """Return the accepted items, each with the mean embedding of its images."""
    return pool_catalogue(_read_items(workspace), vectors)


def _read_items(workspace: Workspace) -> pd.DataFrame:
    items = read_parquet(workspace.accepted / "items.parquet")
    others = sorted(set(items.columns) - set(_ITEM_COLUMNS))
    return items[[*_ITEM_COLUMNS, *others]]


def pool_catalogue(
    items: pd.DataFrame, vectors: ImageVectors, query_E: Floats | None = None
) -> Catalogue:
    """Return items with the embedding of their images, pooled as `pool_images` does."""
    row_of = {sha256: row for row, sha256 in enumerate(vectors.sha256s)}
    embeddings_IE = np.zeros((len(items), vectors.vectors_NE.shape[1]), np.float32)
    has_image_I = np.zeros(len(items), bool)
    for item, images in enumerate(items["images"]):
        rows = [_find(row_of, sha256) for sha256 in images]
        if rows:
            embeddings_IE[item] = pool_images(vectors.vectors_NE[rows], query_E)
            has_image_I[item] = True
    return Catalogue(items, embeddings_IE, has_image_I)


def _find(row_of: dict[str, int], sha256: str) -> int:
    if sha256 not in row_of:
        raise DataError(f"image {sha256} has no embedding; run 'dvc repro embed'")
    return row_of[sha256]


def read_ratings(workspace: Workspace, *, split: bool) -> pd.DataFrame:
    """Return the train rows of the split with their `valid` flag, or all accepted ratings."""
    folder = workspace.split / "train.parquet" if split else workspace.accepted / "ratings.parquet"
    ratings = read_parquet(folder)
    if ratings.empty:
        raise DataError(f"{folder} holds no rating, so there is nothing to learn from")
    return ratings


def read_input_digests(workspace: Workspace, step: str, *, split: bool) -> dict[str, str]:
    """Return the sha256 of what is read, and the digest of the step's code where code.yaml is."""
    ratings = workspace.split / "train.parquet" if split else workspace.accepted / "ratings.parquet"
    files = {
        "ratings": ratings,
        "items": workspace.accepted / "items.parquet",
        "vectors": workspace.embeddings / "vectors.safetensors",
        "encoder": workspace.embeddings / "encoder/encoder.json",
    }
    digests = {name: hash_file(path) for name, path in files.items()}
    if workspace.code.exists():
        digests["code"] = str(parse_yaml(workspace.code.read_text())[step])
    return digests

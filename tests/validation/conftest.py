import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.batches import Batch, Origin, batch_folder, hash_tables, read_batches, write_batches
from components.files import write_bytes, write_parquet
from components.params import Params, load_params
from components.paths import Workspace


def draw(seed: int, size: tuple[int, int] = (48, 40)) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def rate(users: int, items: int, seed: int = 0) -> pd.DataFrame:
    """Every user rates every item, in half points, a minute apart."""
    rng = np.random.default_rng(seed)
    pairs = [(f"u{user:03d}", f"i{item:03d}") for user in range(users) for item in range(items)]
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"])
    frame["rating"] = rng.integers(1, 11, len(frame)) / 2
    frame["timestamp"] = 1_500_000_000 + 60 * np.arange(len(frame), dtype=np.int64)
    return frame


def show(*images: list[bytes]) -> pd.DataFrame:
    """One item for each list of images, i000 onward."""
    hashes = [[hashlib.sha256(content).hexdigest() for content in shown] for shown in images]
    names = [f"i{item:03d}" for item in range(len(images))]
    return pd.DataFrame({"item_id": names, "images": hashes, "title": names, "category": "a|b"})


AddBatch = Callable[..., Batch]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    return Workspace(tmp_path)


@pytest.fixture
def params(workspace: Workspace) -> Params:
    return load_params(workspace.params)


@pytest.fixture
def change(params: Params) -> Callable[..., Params]:
    def change(**values: Any) -> Params:
        return params.model_copy(update={"validation": params.validation.model_copy(update=values)})

    return change


@pytest.fixture
def add_batch(workspace: Workspace) -> AddBatch:
    """Lay a batch down as ingest does, but without its checks at the door."""

    def add_batch(
        ratings: pd.DataFrame | None = None,
        items: pd.DataFrame | None = None,
        images: list[bytes] | None = None,
        origin: Origin = "ingest",
    ) -> Batch:
        ratings = pd.DataFrame() if ratings is None else ratings
        items = pd.DataFrame() if items is None else items
        named = {hashlib.sha256(content).hexdigest(): content for content in images or []}
        sha256 = hash_tables(ratings, items, list(named))
        counts = len(items), len(named), len(ratings)
        batch = Batch(sha256[:16], sha256, *counts, origin)
        folder = batch_folder(workspace, batch.id)
        folder.mkdir(parents=True)
        if len(ratings):
            write_parquet(folder / "ratings.parquet", ratings)
        if len(items):
            write_parquet(folder / "items.parquet", items)
        rows = [(sha, f"{sha}.png", f"{sha[:4]}.png", len(named[sha])) for sha in sorted(named)]
        if rows:
            columns = ["sha256", "file", "source", "bytes"]
            write_parquet(folder / "images.parquet", pd.DataFrame(rows, columns=columns))
        for sha, content in named.items():
            write_bytes(folder / "images" / f"{sha}.png", content)
        write_batches(workspace, (*read_batches(workspace), batch))
        return batch

    return add_batch


@pytest.fixture
def pictures() -> list[bytes]:
    return [draw(seed) for seed in range(12)]

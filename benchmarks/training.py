"""Ratings and images a second while learning, on the CPU and on the GPU where there is one.

    python benchmarks/training.py [--data DATA] [--items 160] [--devices cpu,cuda]

DATA holds items.csv (item_id, image or images), the images below it, and ratings.csv; by default
prints and ratings are drawn. The most rated items take part. Ends by itself after a few minutes.
"""

import argparse
import hashlib
import logging
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import save_file

from components.devices import pick_device
from components.features.bulk import encode_in_bulk
from components.features.encoders import load_encoder, open_encoder
from components.files import write_parquet
from components.models.catalogue import UserBook
from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings, load_settings
from components.training.inputs import read_catalogue, read_vectors
from components.training.pictures import Pictures
from components.training.recipe import Recipe
from components.training.threads import limit_threads
from components.training.trunk import Trunk

PARAMS = Path(__file__).parents[1] / "params.yaml"
ENCODER = "efficientnet_lite0"
BATCH = "data/raw/batches/benchmark"
# The difference between a short fit and a longer one leaves out what only beginning costs.
EPOCHS = {"mf": 40, "hybrid": 8, "finetuned": 2}
SECONDS = 15.0


class Waiting(logging.Handler):
    """Collects how long each epoch waited for its pictures."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.seconds, self.waited = 0.0, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("pictures learnt from"):
            _, seconds, share = record.args
            self.seconds, self.waited = self.seconds + seconds, self.waited + seconds * share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="items.csv, images and ratings.csv")
    parser.add_argument("--items", type=int, default=160, help="so many of the most rated")
    parser.add_argument("--devices", help="default: cpu, and cuda where there is one")
    arguments = parser.parse_args()
    found = "cpu,cuda" if torch.cuda.is_available() else "cpu"
    devices = (arguments.devices or found).split(",")
    with tempfile.TemporaryDirectory(prefix="beholder-benchmark-") as scratch:
        folder = Path(scratch)
        data = arguments.data or draw(folder / "drawn", arguments.items)
        workspace, ratings = lay_down(data.resolve(), folder / "workspace", arguments.items)
        columns = {device: measure(workspace, ratings, device) for device in devices}
    print_table(columns)


def draw(folder: Path, items: int) -> Path:
    from components.data.demo import draw_demo

    draw_demo(folder, items=items, users=200, ratings=50 * items)
    return folder


def lay_down(data: Path, root: Path, count: int) -> tuple[Workspace, pd.DataFrame]:
    """Write what training reads of a workspace, for the most rated items; return their ratings."""
    workspace = Workspace(root)
    items = pd.read_csv(data / "items.csv", dtype=str, keep_default_na=False)
    ratings = pd.read_csv(data / "ratings.csv", dtype={"user_id": str, "item_id": str})
    most = ratings["item_id"].value_counts(sort=False).sort_values(ascending=False, kind="stable")
    items = items[items["item_id"].isin(most.index[:count])].sort_values("item_id")
    ratings = ratings[ratings["item_id"].isin(items["item_id"])]
    column = "images" if "images" in items else "image"
    shown = [[p for p in paths.split("|") if p] for paths in items[column]]
    names = {path: take_in(data / path, root) for path in {p for one in shown for p in one}}
    rows = sorted({(name.stem, f"{BATCH}/images/{name.name}") for name in names.values()})
    write_parquet(
        workspace.accepted / "images.parquet", pd.DataFrame(rows, columns=["sha256", "path"])
    )
    table = items[["item_id"]].assign(
        images=[[names[path].stem for path in one] for one in shown], title="", category=""
    )
    write_parquet(workspace.accepted / "items.parquet", table)
    return workspace, ratings


def take_in(path: Path, root: Path) -> Path:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    target = root / BATCH / "images" / f"{sha256}{path.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    return target


def measure(workspace: Workspace, ratings: pd.DataFrame, device: str) -> dict[str, str]:
    """Return what a device does a second, by what is done."""
    settings = load_settings().model_copy(update={"device": device})
    pick_device(settings)
    pictures = Pictures.of(workspace, settings)
    told = {"images/s, encode only": f"{encode(workspace, pictures, device):.1f}"}
    batch = load_params(PARAMS).families.finetuned.images
    for wide in (False, True):
        name = "bfloat16" if wide else "float32"
        speed = fine_tune(pictures, device, wide=wide, batch=batch)
        told[f"images/s, forward and backward, {name}"] = f"{speed:.1f}"
    for family in EPOCHS:
        waiting = Waiting()
        speed = learn(workspace, ratings, pictures, settings, family, waiting)
        told[f"ratings/s, {family}"] = f"{speed:,.0f}"
        if waiting.seconds:
            share = waiting.waited / waiting.seconds
            told["share of the time that it waits for pictures"] = f"{share:.3f}"
    return told


def encode(workspace: Workspace, pictures: Pictures, device: str) -> float:
    """Write data/embeddings as `embed` does, and return the images a second."""
    encoder = load_encoder(ENCODER, "float32", device)
    encoder.save(pictures.encoder)

    def prepare(sha256: str) -> np.ndarray:
        return encoder.preprocessing.prepare(pictures.read(sha256))

    encoder.encode_pixels(np.stack([prepare(next(iter(pictures.files)))]))  # what begins, begins
    started = time.monotonic()
    vectors = list(
        encode_in_bulk(encoder, prepare, pictures.files, batch_size=32, workers=pictures.workers)
    )
    seconds = time.monotonic() - started
    save_file({"vectors": np.stack(vectors)}, workspace.embeddings / "vectors.safetensors")
    write_parquet(
        workspace.embeddings / "images.parquet", pd.DataFrame({"sha256": list(pictures.files)})
    )
    return len(vectors) / seconds


def fine_tune(pictures: Pictures, device: str, *, wide: bool, batch: int) -> float:
    """Return the images a second through the encoder and back, apart from reading them."""
    encoder = open_encoder(pictures.encoder, device)
    stages = load_params(PARAMS).families.finetuned.trained_stages
    trunk = Trunk(encoder, stages, bfloat16=wide)
    side = encoder.preprocessing.side
    pixels = torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8)

    def step() -> None:
        trunk.encode(pixels).square().mean().backward()
        if device == "cuda":
            torch.cuda.synchronize()

    return batch * count_a_second(step)


def count_a_second(step: Callable[[], None]) -> float:
    step()
    started, done = time.monotonic(), 0
    while time.monotonic() - started < SECONDS:
        step()
        done += 1
    return done / (time.monotonic() - started)


def learn(
    workspace: Workspace,
    ratings: pd.DataFrame,
    pictures: Pictures,
    settings: Settings,
    family: str,
    waiting: Waiting,
) -> float:
    """Return the ratings a second of an epoch of a family."""
    params = choose(family)
    catalogue = read_catalogue(workspace, read_vectors(workspace))
    book = UserBook.from_ratings(ratings, catalogue)
    seconds = []
    logger = logging.getLogger("components.training.eye")
    logger.setLevel(logging.INFO)
    logger.addHandler(waiting)
    try:
        for epochs in (1, 1 + EPOCHS[family]):
            with (
                tempfile.TemporaryDirectory(prefix="beholder-benchmark-") as scratch,
                limit_threads(len(ratings), settings, params.options),
            ):
                folder = Path(scratch)
                recipe = Recipe.of(
                    params, catalogue, pick_device(settings), folder, folder / "live", pictures
                )
                started = time.monotonic()
                recipe.learn("served", book, epochs)
                seconds.append(time.monotonic() - started)
    finally:
        logger.removeHandler(waiting)
    return len(ratings) * EPOCHS[family] / max(seconds[1] - seconds[0], 1e-9)


def choose(family: str) -> Params:
    """Return the repository's parameters, for a family that begins with its pictures at once."""
    params = load_params(PARAMS)
    finetuned = params.families.finetuned.model_copy(update={"warmup_epochs": 0})
    families = params.families.model_copy(update={"finetuned": finetuned})
    train = params.train.model_copy(update={"family": family})
    return params.model_copy(update={"families": families, "train": train})


def print_table(columns: dict[str, dict[str, str]]) -> None:
    cores = Settings().threads or torch.get_num_threads()
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {cores} threads")
    if "cuda" in columns:
        print(torch.cuda.get_device_name())
    print(f"\n| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for name in next(iter(columns.values())):
        print(f"| {name} | {' | '.join(told[name] for told in columns.values())} |")


if __name__ == "__main__":
    main()

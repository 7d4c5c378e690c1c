"""A Bento with as many items as wanted, mixed of those of a real one.

    python benchmarks/endpoint/grow.py SERVED FOLDER --items 100000

writes FOLDER/bento, and FOLDER/bodies.jsonl with requests for lists, one a line.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd

from components.models.bundle import Bundle, load_bundle, save_bundle, seal_bundle
from components.models.catalogue import Catalogue
from components.models.golden import read_golden, write_golden
from components.models.predictor import Predictor
from components.models.protocol import has_row_an_item
from components.packaging.bento import package
from components.params import load_params

LINEAGE = {"version": "1", "lineage_id": "benchmark", "data_version": "benchmark"}
REQUESTS = 2000
PARAMS = Path(__file__).parents[2] / "params.yaml"

# How many learnt items an item is mixed of.
_MIXED = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("served", type=Path, help="the served bundle of a workspace")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=100_000)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    grow(arguments.served, folder / "bundle", arguments.items)
    retrieval = load_params(PARAMS).retrieval
    package(folder / "bundle", LINEAGE, folder / "bento", tolerance=1e-3, retrieval=retrieval)
    bundle = load_bundle(folder / "bundle")
    lines = [json.dumps(body) for body in make_requests(bundle, np.random.default_rng(0))]
    (folder / "bodies.jsonl").write_text("\n".join(lines) + "\n")
    print(f"{arguments.items} items, {len(bundle.users)} users, family {bundle.family}")


def make_requests(bundle: Bundle, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield what to ask: of 20, 14 known users, 2 with new ratings, 2 told by ratings, 2 nobody."""
    for kind in rng.random(REQUESTS):
        asked: dict[str, Any] = {"k": 10}
        if kind < 0.8:
            asked["user_id"] = bundle.users.user_ids[rng.integers(len(bundle.users))]
        if 0.7 < kind < 0.9:
            ids = bundle.catalogue.ids(rng.integers(len(bundle.catalogue), size=5))
            asked["history"] = [{"item_id": item, "rating": bundle.scale[1]} for item in ids]
        yield asked


def grow(served: Path, target: Path, items: int, seed: int = 0) -> None:
    """Write a sealed bundle with `items` items, learnt users and golden questions of `served`."""
    bundle = load_bundle(served)
    mix = Mix.draw(len(bundle.catalogue), items, np.random.default_rng(seed))
    source_I = mix.sources_IM[:, 0]
    frame = bundle.catalogue.items.iloc[source_I].reset_index(drop=True)
    number = pd.Series(np.arange(items)).astype(str)
    is_own = np.arange(items) < len(bundle.catalogue)
    frame["item_id"] = frame["item_id"].where(is_own, frame["item_id"] + "~" + number)
    has_image_I = bundle.catalogue.has_image_I[source_I]
    # Behind a rectifier nothing is below zero.
    embeddings_IE = np.maximum(mix.apply(bundle.catalogue.embeddings_IE), 0)
    embeddings_IE[~has_image_I] = 0
    grown = replace(
        bundle,
        weights={
            name: mix.apply(tensor) if has_row_an_item(name, tensor, mix.own) else tensor
            for name, tensor in bundle.weights.items()
        },
        catalogue=Catalogue(frame, embeddings_IE, has_image_I),
    )
    target.mkdir(parents=True)
    save_bundle(grown, target)
    copytree(served / "encoder", target / "encoder")
    _ask_anew(grown, served / "golden", target / "golden")
    seal_bundle(target)


@dataclass(frozen=True)
class Mix:
    """Which items an item is made of, and with what weights: the first `own` are themselves.

    Weights have squares that sum to 1, around the mean: so items spread as those that were learnt,
    and none is nearly another.
    """

    own: int
    sources_IM: np.ndarray
    weights_IM: np.ndarray

    @classmethod
    def draw(cls, own: int, items: int, rng: np.random.Generator) -> "Mix":
        sources_IM = rng.integers(own, size=(items, _MIXED))
        weights_IM = rng.standard_normal((items, _MIXED), np.float32)
        weights_IM /= np.linalg.norm(weights_IM, axis=1, keepdims=True)
        sources_IM[:own, 0] = np.arange(own)
        weights_IM[:own] = [1.0] + [0.0] * (_MIXED - 1)
        return cls(own, sources_IM, weights_IM)

    def apply(self, rows: np.ndarray) -> np.ndarray:
        mean = rows.mean(axis=0)
        centred = rows - mean
        mixed = np.zeros((len(self.sources_IM), *rows.shape[1:]), np.float32) + mean
        for source_I, weight_I in zip(self.sources_IM.T, self.weights_IM.T, strict=True):
            mixed += centred[source_I] * weight_I.reshape(-1, *[1] * (rows.ndim - 1))
        mixed[: self.own] = rows
        return mixed


def _ask_anew(bundle: Bundle, golden: Path, target: Path) -> None:
    predictor = Predictor(bundle)
    asked = read_golden(golden)
    pairs = asked.pairs
    ratings = predictor.predict([p.user_id for p in pairs], [p.item_id for p in pairs])
    images = []
    for image in asked.images:
        item = predictor.fold_image(np.asarray(image.embedding, np.float32))
        told = [
            (user, float(predictor.rate(predictor.fold_user(user), item)[0]))
            for user, _ in image.ratings
        ]
        images.append(replace(image, ratings=tuple(told)))
    answered = replace(
        asked,
        pairs=tuple(
            replace(pair, rating=float(rating)) for pair, rating in zip(pairs, ratings, strict=True)
        ),
        images=tuple(images),
    )
    contents = {image.sha256: (golden / image.file).read_bytes() for image in asked.images}
    write_golden(target, answered, contents)


if __name__ == "__main__":
    main()

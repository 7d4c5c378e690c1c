"""Fixtures that every layer of tests shares."""

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pandas as pd
import pytest

from components.child import supervised
from components.hosts import ask
from components.params import Params, load_params
from components.settings import TELEMETRY_OFF

if TYPE_CHECKING:
    from components.contest.table import Contest

os.environ.update(TELEMETRY_OFF)

SMALL = {"factors": 4, "image_factors": 3, "max_epochs": 12, "batches": 2, "width": 8, "length": 8}

POSTERS = Path(__file__).parents[2] / "shared/data/movielens-posters"


def make_small(params: Params, family: str | None = None, **changed: object) -> Params:
    """Return parameters whose families are small, with changed options where a family has them."""
    sections = {}
    for name in type(params.families).model_fields:
        section = params.families.options(name)
        update = {
            key: value
            for key, value in {**SMALL, **changed}.items()
            if key in type(section).model_fields
        }
        sections[name] = section.model_copy(update=update)
    seed = changed.get("seed", params.train.seed)
    chosen = {"family": family or params.train.family, "seed": seed}
    return params.model_copy(
        update={
            "families": params.families.model_copy(update=sections),
            "train": params.train.model_copy(update=chosen),
        }
    )


@pytest.fixture(scope="session")
def shrink() -> Callable[..., Params]:
    return make_small


@pytest.fixture(scope="session")
def posters() -> Path:
    if not POSTERS.is_dir():
        pytest.skip(f"the MovieLens posters are not at {POSTERS}")
    return POSTERS


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store: to lay one down takes seconds, to copy one takes none."""
    from components.promotion.store import Store

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    # What a process leaves that was killed while it laid one down: it must not be in the way.
    for leftover in (".mlflow.db.tmp", ".mlflow.db.tmp-journal"):
        (file.parent / leftover).write_bytes(b"half of a store")
    Store(f"sqlite:///{file}")
    return file


@pytest.fixture
def mlflow_uri(mlflow_template: Path, tmp_path: Path) -> str:
    """The address of an MLflow store of the test's own."""
    folder = tmp_path / "tracking"
    folder.mkdir()
    shutil.copyfile(mlflow_template, folder / "mlflow.db")
    return f"sqlite:///{folder / 'mlflow.db'}"


def draw_picture(seed: int) -> bytes:
    """Return a small PNG of coloured blocks, the same for the same seed."""
    from PIL import Image

    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((64, 64), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def draw() -> Callable[[int], bytes]:
    return draw_picture


@pytest.fixture(scope="session")
def make_served_bundle() -> Callable[..., None]:
    return write_served_bundle


@pytest.fixture(scope="session")
def served_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed bundle of 5 users and 12 items (i0 to i11, the last without an image) that serves.

    It is learnt from nothing: biases by hand, but a real encoder and golden questions.
    """
    folder = tmp_path_factory.mktemp("served") / "bundle"
    write_served_bundle(folder)
    return folder


def write_served_bundle(folder: Path, *, golden_offset: float = 0.0) -> None:
    """Write that bundle; an offset makes its golden ratings wrong."""
    from components.features.encoders import load_encoder
    from components.images import decode_image
    from components.models.bundle import Bundle, save_bundle, seal_bundle
    from components.models.catalogue import Catalogue, UserBook
    from components.models.golden import Golden, GoldenImage, GoldenPair, write_golden
    from components.models.predictor import Predictor

    contents = [draw_picture(seed) for seed in range(12)]
    encoder = load_encoder("efficientnet_lite0", "float32", "cpu")
    embeddings_BE = encoder.encode([decode_image(c, max_megapixels=1) for c in contents])
    names = [sha256(content).hexdigest() for content in contents]
    has_image_I = np.arange(12) < 11
    catalogue = Catalogue(
        pd.DataFrame(
            {
                "item_id": [f"i{row}" for row in range(12)],
                "title": [f"Print {row}" for row in range(12)],
                "category": ["landscape", "portrait"] * 6,
                "images": [[name] for name in names[:11]] + [[]],
            }
        ),
        embeddings_BE * has_image_I[:, None].astype(np.float32),
        has_image_I,
    )
    rows = [(u, i) for u in range(5) for i in range(u, u + 4)]
    ratings = pd.DataFrame(
        {
            "user_id": [f"u{u}" for u, _ in rows],
            "item_id": [f"i{i}" for _, i in rows],
            "rating": [1.0 + (u + i) % 5 for u, i in rows],
            "timestamp": range(1000, 1000 + len(rows)),
        }
    )
    weights = {
        "mean": np.float32([3.0]),
        "item_bias": np.linspace(-1, 1, 12, dtype=np.float32),
        "user_prior": np.float32([5.0]),
    }
    users = UserBook.from_ratings(ratings, catalogue)
    params = {"trending": {"half_life_days": 365.0}}
    bundle = Bundle("biases", weights, catalogue, users, (0.5, 5.0), params, {}, {})
    folder.mkdir(parents=True)
    save_bundle(bundle, folder)
    encoder.save(folder / "encoder")
    predictor = Predictor(bundle)
    pairs = [(f"u{u}", f"i{i}") for u in range(5) for i in range(3)]
    predicted = predictor.predict([u for u, _ in pairs], [i for _, i in pairs])
    item = predictor.fold_image(embeddings_BE[11])
    golden = Golden(
        tuple(
            GoldenPair(user, item_id, float(rating) + golden_offset)
            for (user, item_id), rating in zip(pairs, predicted, strict=True)
        ),
        (
            GoldenImage(
                names[11],
                f"{names[11]}.png",
                tuple(embeddings_BE[11].tolist()),
                tuple(
                    (user, float(predictor.rate(predictor.fold_user(user), item)[0]))
                    for user in ("u0", "u1")
                ),
            ),
        ),
    )
    write_golden(folder / "golden", golden, {names[11]: contents[11]})
    seal_bundle(folder)


@pytest.fixture(scope="session")
def wide_bundle(served_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That bundle with 400 items (i0 to i399), alike in tens, so that an index has work to do."""
    from components.models.bundle import load_bundle, save_bundle, seal_bundle
    from components.models.catalogue import Catalogue

    folder = tmp_path_factory.mktemp("served") / "wide"
    shutil.copytree(served_bundle, folder)
    bundle = load_bundle(served_bundle)
    generator = np.random.default_rng(0)
    looks_IE = np.repeat(generator.normal(0, 1, (39, 1280)), 10, axis=0)[:388]
    looks_IE += generator.normal(0, 0.5, looks_IE.shape)
    added = pd.DataFrame({"item_id": [f"i{row}" for row in range(12, 400)]})
    added = added.assign(title="", category="sea", images=[["0" * 64]] * len(added))
    old = bundle.catalogue
    catalogue = Catalogue(
        pd.concat([old.items, added], ignore_index=True),
        np.concatenate([old.embeddings_IE, looks_IE.astype(np.float32)]),
        np.concatenate([old.has_image_I, np.ones(388, bool)]),
    )
    bias_I = np.append(bundle.weights["item_bias"], np.linspace(-2, 2, 388, dtype=np.float32))
    weights = {**bundle.weights, "item_bias": bias_I}
    save_bundle(replace(bundle, catalogue=catalogue, weights=weights), folder)
    seal_bundle(folder)
    return folder


LINEAGE = {"version": "3", "lineage_id": "abcdef0123456789", "data_version": "d" * 64}


@pytest.fixture(scope="session")
def lineage() -> dict[str, str]:
    return LINEAGE


@pytest.fixture(scope="session")
def bento(served_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Bento of that bundle; copy it before you change it."""
    from components.packaging.bento import package

    # As in a workspace, whose state lies in a folder that begins with a dot.
    target = tmp_path_factory.mktemp("bentos") / ".beholder" / "bento"
    package(served_bundle, LINEAGE, target, tolerance=1e-4)
    return target


@pytest.fixture(scope="session")
def indexed_bento(wide_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Bento with a good index of tastes and a bad one of looks; copy it before you change it."""
    from components.packaging.bento import package
    from components.params import IndexOptions, Retrieval

    retrieval = Retrieval(
        k=5,
        questions=50,
        tastes=IndexOptions(index_from=400, width=2, shortlist=20),
        looks=IndexOptions(index_from=300, width=1, shortlist=0),
    )
    target = tmp_path_factory.mktemp("indexed") / "bento"
    package(wide_bundle, LINEAGE, target, tolerance=1e-4, retrieval=retrieval)
    return target


@pytest.fixture(scope="session")
def mlflow_server(
    mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A real `mlflow server` on loopback: its address and where it keeps artifacts."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(mlflow_template, folder / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    environment = {**os.environ, **TELEMETRY_OFF, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            supervised(command),
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _await_answer(server, f"http://127.0.0.1:{port}/health", folder / "log")
            yield f"http://127.0.0.1:{port}", folder / "artifacts"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=30)


def _await_answer(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            if ask(address, timeout=2).is_success:
                return
        except httpx.HTTPError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the MLflow server did not start:\n{log.read_text()}")
            time.sleep(0.1)  # nothing to await: a port that does not listen tells nobody


@pytest.fixture(scope="session")
def make_trainable() -> Callable[..., None]:
    return write_trainable


@pytest.fixture(scope="session")
def give_eyes() -> Callable[..., None]:
    return write_eyes


def write_eyes(root: Path, *, side: int = 32) -> None:
    """Let a small real network see a trainable workspace's pictures, in place of drawn vectors."""
    import torch
    import torchvision
    from PIL import Image
    from safetensors.numpy import save_file

    from components.features.encoders import make_encoder
    from components.features.preprocessing import Preprocessing
    from components.files import read_parquet
    from components.paths import Workspace

    workspace = Workspace(root)
    images = read_parquet(workspace.accepted / "images.parquet")
    pictures = [Image.open(root / path).convert("RGB") for path in images["path"]]
    seeing = Preprocessing("stretch", side, side, "bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.shufflenet_v2_x0_5(weights=None)
        pixels = np.stack([seeing.prepare(picture) for picture in pictures])
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # so that the statistics are those of these pictures
        with torch.no_grad():
            network.train()(batch)
    tensors = network.state_dict()
    encoder = make_encoder("shufflenet_v2_x0_5", "float32", seeing, tensors, "cpu")
    shutil.rmtree(workspace.embeddings / "encoder")
    encoder.save(workspace.embeddings / "encoder")
    vectors = {"vectors": encoder.encode(pictures)}
    save_file(vectors, workspace.embeddings / "vectors.safetensors")


def write_trainable(root: Path, *, users: int = 30, items: int = 24, seed: int = 0) -> None:
    """Fill a workspace up to where `train` begins, with tastes that looks explain.

    The last item has no image, the last three have no rating; the last tenth of the rows by time
    is the test, the tenth before it is valid.
    """
    from safetensors.numpy import save_file

    from components.files import write_json, write_parquet
    from components.images import inspect_image
    from components.paths import Workspace

    workspace = Workspace(root)
    (root / ".dvc").mkdir(parents=True)
    shutil.copyfile(Path(__file__).parents[1] / "params.yaml", workspace.params)
    generator = np.random.default_rng(seed)
    embeddings_IE = np.abs(generator.normal(0, 1, (items, 6))).astype(np.float32)
    contents = [draw_picture(seed) for seed in range(items - 1)]
    names = [sha256(content).hexdigest() for content in contents]
    paths = [f"data/raw/batches/b/images/{name}.png" for name in names]
    for path, content in zip(paths, contents, strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    ids = [f"i{row:03d}" for row in range(items)]
    catalogue = pd.DataFrame(
        {
            "item_id": ids,
            "images": [[name] for name in names] + [[]],
            "title": [f"Print {row}" for row in range(items)],
            "category": ["landscape", "portrait|night"] * (items // 2),
        }
    )
    write_parquet(workspace.accepted / "items.parquet", catalogue)
    order = np.argsort(names)
    thumbnails = [inspect_image(content, max_megapixels=1).thumbnail for content in contents]
    images = pd.DataFrame({"sha256": names, "path": paths, "thumbnail": thumbnails}).iloc[order]
    write_parquet(workspace.accepted / "images.parquet", images)
    workspace.embeddings.mkdir(parents=True)
    vectors = {"vectors": np.ascontiguousarray(embeddings_IE[order])}
    save_file(vectors, workspace.embeddings / "vectors.safetensors")
    write_parquet(workspace.embeddings / "images.parquet", images[["sha256"]])
    write_json(workspace.embeddings / "encoder/encoder.json", {"name": "drawn"})
    taste_UE = generator.normal(0, 0.5, (users, 6))
    rated_UI = generator.random((users, items - 3)) < 0.6
    user_N, item_N = np.nonzero(rated_UI)
    liked_N = (taste_UE[user_N] * (embeddings_IE[item_N] - 0.8)).sum(1)
    noise_N = generator.normal(0, 0.3, len(user_N))
    ratings = pd.DataFrame(
        {
            "user_id": [f"u{user}" for user in user_N],
            "item_id": [ids[item] for item in item_N],
            "rating": np.clip(np.round(2 * (3.2 + liked_N + noise_N)) / 2, 0.5, 5),
            "timestamp": 1_000_000 + generator.permutation(len(user_N)),
        }
    ).sort_values("timestamp", ignore_index=True)
    write_parquet(workspace.accepted / "ratings.parquet", ratings.assign(batch=0))
    train = ratings[: int(0.9 * len(ratings))]
    train = train.assign(valid=np.arange(len(train)) >= int(0.8 * len(ratings)))
    write_parquet(workspace.split / "train.parquet", train)
    write_parquet(workspace.split / "test.parquet", ratings[len(train) :])


@pytest.fixture(scope="session")
def make_contest() -> Callable[..., "Contest"]:
    return draw_contest


def draw_contest(**spread: float) -> "Contest":
    """A comparison of families that are wrong by so much, on 300 drawn ratings of 30 users.

    Each has two seeds; the parts are two halves and one without a rating.
    """
    from components.contest.entry import Cost, Entry
    from components.contest.table import Contest, rank_by_slice, rank_entries
    from components.evaluation.lists import ListQuality
    from components.evaluation.measurement import Truth

    generator = np.random.default_rng(0)
    truth = Truth(np.repeat(np.arange(30), 10), generator.uniform(1, 5, 300).astype(np.float32))
    lists = ListQuality(0.1, 0.2, 0.05, 0.6, 7.5, float("nan"))
    entries = [
        Entry(
            *(family, seed, 12, 0.9, lists, Cost(4.0 * size, 17_400_000, 0.8, 2.5)),
            rated_N=truth.ratings_N + generator.normal(0, size, 300).astype(np.float32),
        )
        for family, size in spread.items()
        for seed in (0, 1)
    ]
    evaluate = load_params(Path(__file__).parents[1] / "params.yaml").evaluate
    half_N = np.arange(300) < 150
    return Contest(
        *("global_time", 300, 30, evaluate.k, evaluate.relevant_from, evaluate.level),
        inputs={"test": "0" * 64, "ratings": "1" * 64},
        places=rank_entries(truth, entries, evaluate.model_copy(update={"bootstrap": 200})),
        slices=rank_by_slice(
            truth,
            entries,
            {"warm": half_N, "cold_item": ~half_N, "category <b>": np.zeros(300, bool)},
        ),
    )

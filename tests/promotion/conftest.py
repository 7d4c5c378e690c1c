"""Tiny bundles of the biases family, whose predictions are simple sums, and places to log them."""

import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.models.bundle import Bundle, save_bundle, seal_bundle
from components.models.catalogue import Catalogue, UserBook
from components.params import Gate, Limits, Slices
from components.promotion.artifacts import Bundles
from components.promotion.pyfunc import Logged, log_bundles
from components.promotion.registry import Registry
from components.promotion.store import Store
from components.promotion.version import TRIAL_TAG

ITEMS = tuple(f"i{number}" for number in range(6))

MakeBundle = Callable[..., Path]


@pytest.fixture
def gate() -> Gate:
    return Gate(
        level=0.95,
        bootstrap=200,
        seed=0,
        min_rows=5,
        min_users=3,
        slices=Slices(min_rows=5, min_users=3, margin=0.05, margins={}, must_hold=()),
        limits=Limits(
            max_latency_p50_ms=250, max_latency_p99_ms=500, max_memory_mb=4096, max_bundle_mb=2048
        ),
    )


def write_bundle(
    root: Path,
    name: str,
    mean: float = 3.0,
    *,
    step: float = 0.0,
    family: str = "biases",
    learnt: Sequence[tuple[str, str]] = (("someone", "i0"),),
) -> Path:
    """Write a bundle that predicts `mean` + the item's number × `step` for unknown users."""
    folder = root / name
    folder.mkdir(parents=True)
    catalogue = Catalogue(
        pd.DataFrame(
            {
                "item_id": ITEMS,
                "title": "",
                "category": "",
                "images": [[] for _ in ITEMS],
            }
        ),
        np.zeros((len(ITEMS), 2), np.float32),
        np.zeros(len(ITEMS), bool),
    )
    ratings = pd.DataFrame(learnt, columns=["user_id", "item_id"])
    ratings = ratings.assign(rating=mean, timestamp=np.arange(len(ratings)))
    bundle = Bundle(
        family=family,
        weights={
            "mean": np.array([mean], np.float32),
            "item_bias": np.arange(len(ITEMS), dtype=np.float32) * np.float32(step),
            "user_prior": np.array([5.0], np.float32),
        },
        catalogue=catalogue,
        users=UserBook.from_ratings(ratings, catalogue),
        scale=(0.5, 5.0),
        params={},
        inputs={},
        facts={},
    )
    save_bundle(bundle, folder)
    seal_bundle(folder)
    return folder


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """A bundle that predicts `mean` + the item's number × `step` for users whom it never saw."""
    return partial(write_bundle, tmp_path)


@pytest.fixture
def test_rows() -> pd.DataFrame:
    """Every rating is 4, by 8 users whom no bundle knows."""
    return pd.DataFrame(
        [(f"u{user}", item, 4.0, user) for user in range(8) for item in ITEMS],
        columns=["user_id", "item_id", "rating", "timestamp"],
    )


@dataclass(frozen=True)
class Place:
    """An MLflow store, and a folder in which the files under an artifact location lie."""

    uri: str
    model: str
    files: Callable[[str], Path]


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.integration)])
def place(request: pytest.FixtureRequest) -> Place:
    """A store of either kind, with a model name that no other test uses."""
    model = f"beholder-{uuid.uuid4().hex[:8]}"
    if request.param == "sqlite":
        return Place(request.getfixturevalue("mlflow_uri"), model, Path)
    uri, artifacts = request.getfixturevalue("mlflow_server")
    return Place(uri, model, lambda at: artifacts / at.removeprefix("mlflow-artifacts:/"))


@pytest.fixture(scope="session")
def three_versions(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three versions that passed their trial; the first two were champion; copy it.

    The artifacts stay where they are, for MLflow knows them by their path.
    """
    folder = tmp_path_factory.mktemp("three")
    shutil.copyfile(mlflow_template, folder / "mlflow.db")
    place = Place(f"sqlite:///{folder / 'mlflow.db'}", "beholder", Path)
    registry = Registry(place.uri, place.model)
    versions = []
    for mean in (3.0, 3.25, 3.5):
        logged = log_new_model(partial(write_bundle, folder), place, mean)
        version = registry.register(logged, {"beholder.lineage_id": "01"})
        registry.annotate(version, TRIAL_TAG, "passed")
        versions.append(version)
    registry.promote(versions[0], None, reason="first")
    registry.promote(versions[1], versions[0], reason="better", actor="anna")
    return folder


@pytest.fixture
def sqlite_place(mlflow_uri: str) -> Place:
    return Place(mlflow_uri, "beholder", Path)


@pytest.fixture
def two_bundles(make_bundle: MakeBundle) -> Bundles:
    return _make_bundles(make_bundle)


@pytest.fixture
def open_run() -> Callable[[Place], str]:
    return _open_run


LogModel = Callable[..., Logged]


def log_new_model(make_bundle: MakeBundle, place: Place, mean: float = 3.0) -> Logged:
    """Log two bundles whose predictions start at `mean`, in a run of their own."""
    bundles = _make_bundles(make_bundle, mean)
    run = _open_run(place)
    return log_bundles(Store(place.uri), run, bundles, {"beholder.lineage_id": "0123"})


@pytest.fixture
def log_model(make_bundle: MakeBundle) -> LogModel:
    """Log two bundles whose predictions start at `mean`, in a run of their own."""
    return partial(log_new_model, make_bundle)


def _make_bundles(make_bundle: MakeBundle, mean: float = 3.0) -> Bundles:
    name = uuid.uuid4().hex
    return Bundles(
        make_bundle(f"{name}/evaluation", mean), make_bundle(f"{name}/served", mean + 0.25)
    )


def _open_run(place: Place) -> str:
    store = Store(place.uri)
    root = None if store.artifact_root is None else str(store.artifact_root)
    client = store.client
    found = client.get_experiment_by_name(place.model)
    experiment = found.experiment_id if found else client.create_experiment(place.model, root)
    return client.create_run(experiment).info.run_id

"""One small drawn world, brought through the whole chain once for the tests of a file."""

import shutil
from collections.abc import Iterator

import pytest

from components.data.demo import draw_demo
from components.paths import Workspace
from tests.end_to_end.place import BEHOLDER, Place


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A workspace after its first `beholder retrain`."""
    folder = tmp_path_factory.mktemp("world")
    drawn = draw_demo(folder / "drawn", seed=3, items=90, users=60, ratings=2600)
    root = folder / "shop"
    here = Place(Workspace(folder), drawn)
    here.execute(BEHOLDER, "init", str(root))
    place = Place(Workspace(root), drawn)
    source = folder / "drawn"
    # A test machine may be busy.
    place.set_params("gate.limits", max_latency_p50_ms=5000, max_latency_p99_ms=5000)
    place.run(
        "ingest",
        *("--items", str(source / "items.csv")),
        *("--images", str(source / "images")),
        *("--ratings", str(source / "ratings.csv")),
    )
    place.run("retrain")
    yield place
    place.run("down")
    shutil.rmtree(folder, ignore_errors=True)

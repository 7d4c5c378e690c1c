"""Small drawn data, and a workspace to bring it into."""

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from components.batches import Batch
from components.data.demo import Demo, draw_demo
from components.data.ingest import Ingested, ingest
from components.data.workspace import init_workspace
from components.params import Params, load_params
from components.paths import Workspace

TEMPLATE = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("drawn") / "demo"
    return draw_demo(folder, items=24, users=12, ratings=150, width=48)


@pytest.fixture(scope="session")
def params() -> Params:
    return load_params(TEMPLATE)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new workspace in `work`; never changed, only copied."""
    folder = tmp_path_factory.mktemp("made")
    init_workspace(folder / "work")
    return folder


@pytest.fixture(scope="session")
def filled(
    made: Path, small_demo: Demo, params: Params, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Ingested]:
    """A copy of it with one batch of the small demo's items and images, and its remote."""
    folder = tmp_path_factory.mktemp("filled")
    workspace = copy(made, folder)
    return folder, ingest(workspace, params, items=small_demo.items, images=small_demo.images)


def copy(source: Path, target: Path) -> Workspace:
    """Copy a workspace and its remote; hard links between files stay hard links."""
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
    return Workspace(target / "work")


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    return copy(made, tmp_path)


@pytest.fixture
def stored(filled: tuple[Path, Ingested], tmp_path: Path) -> tuple[Workspace, Batch]:
    """A workspace with one batch, listed and pushed."""
    folder, ingested = filled
    return copy(folder, tmp_path), ingested.batch


@pytest.fixture
def picture() -> bytes:
    """A JPEG of a few pixels."""
    content = BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(content, "JPEG")
    return content.getvalue()

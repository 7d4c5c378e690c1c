"""A booted Bento that all tests over HTTP share; who rates does so as a user of his own."""

import io
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from components.packaging.booting import boot
from components.pictures import write_copies


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it keeps feedback.db and answers.db."""
    return tmp_path_factory.mktemp("told")


@pytest.fixture(scope="session")
def url(
    bento: Path, logs: Path, draw: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of that Bento; it holds a copy of i4's picture only."""
    pictures = tmp_path_factory.mktemp("pictures")
    content = draw(4)
    image = Image.open(io.BytesIO(content)).convert("RGB")
    write_copies(pictures, sha256(content).hexdigest(), image)
    settings = {
        "BEHOLDER_FEEDBACK_URL": f"sqlite:///{logs / 'feedback.db'}",
        "BEHOLDER_ANSWERS_URL": f"sqlite:///{logs / 'answers.db'}",
        "BEHOLDER_PICTURES": str(pictures),
    }
    with boot(bento, ready_seconds=240, settings=settings) as running:
        yield running.url


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client

"""Fixtures that every layer of tests shares."""

import os
from pathlib import Path

import pytest

from components.settings import TELEMETRY_OFF

os.environ.update(TELEMETRY_OFF)

POSTERS = Path(__file__).parents[2] / "shared/data/movielens-posters"


@pytest.fixture(scope="session")
def posters() -> Path:
    if not POSTERS.is_dir():
        pytest.skip(f"the MovieLens posters are not at {POSTERS}")
    return POSTERS

"""A feedback log of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.feedback.log import FeedbackLog


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'feedback.db'}"


@pytest.fixture
def log(address: str) -> Iterator[FeedbackLog]:
    log = FeedbackLog(address)
    yield log
    log.close()

"""An answer log of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.answers.log import AnswerLog


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'answers.db'}"


@pytest.fixture
def log(address: str) -> Iterator[AnswerLog]:
    log = AnswerLog(address)
    log.begin(keep_days=30, max_gb=1)
    yield log
    log.close()

"""A workspace's answer log, for whoever looks back."""

from collections.abc import Iterator
from contextlib import contextmanager

from components.answers.address import find_address
from components.answers.log import AnswerLog
from components.answers.tables import LAYOUT
from components.paths import Workspace
from components.settings import load_settings
from components.sqlite import find_file


@contextmanager
def open_answers(workspace: Workspace) -> Iterator[AnswerLog | None]:
    """Yield a workspace's answer log to read; None where there is none."""
    address = find_address(workspace, load_settings())
    if address is None or not find_file(address, LAYOUT).exists():
        yield None
        return
    answers = AnswerLog(address)
    try:
        yield answers
    finally:
        answers.close()

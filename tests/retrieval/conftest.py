"""Parameters that force an index on a small catalogue."""

from collections.abc import Callable

import pytest

from components.params import IndexOptions, Retrieval


def force(width: int = 64, shortlist: int = 20, **changed: object) -> Retrieval:
    options = IndexOptions(index_from=1, width=width, shortlist=shortlist)
    facts = {"k": 5, "questions": 100, "tastes": options, "looks": options, **changed}
    return Retrieval.model_validate(facts)


@pytest.fixture(scope="session")
def forced() -> Callable[..., Retrieval]:
    return force

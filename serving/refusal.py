"""A request that is refused: the status and the one sentence that the caller gets."""

import json
import logging
from contextvars import ContextVar
from http import HTTPStatus

from bentoml.exceptions import BentoMLException

# BentoML hides the words of whatever ends in 5xx; ours are meant to be read.
_said: ContextVar[list["Refusal"] | None] = ContextVar("said", default=None)


class Refusal(BentoMLException):
    """A request that cannot be answered; the sentence is meant for whoever sent it."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence, error_code=status)
        said = _said.get()
        if said is not None:
            said.append(self)


def not_ready() -> Refusal:
    """Return the refusal of a worker that has no release to answer from, or none yet."""
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the server is not ready to answer; try again")


def write_error(sentence: str) -> bytes:
    """Return the JSON body that every error of ours has."""
    return json.dumps({"error": sentence}, ensure_ascii=False).encode("utf-8", "replace")


def listen() -> list[Refusal]:
    """Return the list to which the refusals of this request will be added, in whatever task."""
    said: list[Refusal] = []
    _said.set(said)
    return said


class ExpectedFilter(logging.Filter):
    """Keeps refusals, which the access log counts, from being logged as failures with a trace."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log this."""
        error = record.exc_info[1] if record.exc_info else None
        return not (
            isinstance(error, BentoMLException)
            and error.error_code < HTTPStatus.INTERNAL_SERVER_ERROR
        )

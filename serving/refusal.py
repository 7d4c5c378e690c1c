"""A request that is refused: the status and the one sentence that the caller gets."""

import logging
from http import HTTPStatus

from bentoml.exceptions import BentoMLException


class Refusal(BentoMLException):
    """A request that cannot be answered; the sentence is meant for whoever sent it."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence, error_code=status)


class ExpectedFilter(logging.Filter):
    """Keeps refusals, which the access log counts, from being logged as failures with a trace."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log this."""
        error = record.exc_info[1] if record.exc_info else None
        return not (
            isinstance(error, BentoMLException)
            and error.error_code < HTTPStatus.INTERNAL_SERVER_ERROR
        )

"""How the client asks: a pool of connections, time-outs, and asking again where that helps."""

import json
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from components.errors import ServiceError

REQUEST_ID = "x-request-id"
API_KEY = "x-api-key"

# Busy, restarted, or between two releases of a platform: the next try may well be answered.
_PASSING = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
}
_FIRST_WAIT = 0.1
# So that callers who were refused together do not come back together.
_SPREAD = 0.25
_SHOWN = 200


class EndpointError(ServiceError):
    """The endpoint refused a request, failed, or did not answer.

    `sentence` says why; `status` is None where no answer came; `request_id` is what the endpoint's
    log knows the request by; `retry_after` is how many seconds it asked to wait, None if it did
    not.
    """

    def __init__(
        self,
        sentence: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        told = sentence if status is None else f"{status}: {sentence}"
        super().__init__(f"{told} (request {request_id})" if request_id else told)
        self.sentence = sentence
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


@dataclass(frozen=True)
class Patience:
    """How long to go on asking.

    `timeout` is in seconds for one try, `retries` how many more there are, `longest_wait` how many
    seconds to wait before one of them: who is told to wait longer hears it at once.
    """

    timeout: float = 10.0
    retries: int = 2
    longest_wait: float = 10.0

    def wait_after(self, tries: int, retry_after: float | None) -> float | None:
        """Return how many seconds to wait after so many tries failed; None: ask no more."""
        wait = _FIRST_WAIT * 2 ** (tries - 1) if retry_after is None else retry_after
        return wait if tries <= self.retries and wait <= self.longest_wait else None


class Transport:
    """Sends requests, each under an id of its own; safe to share between threads.

    Every call of the endpoint may be repeated: most only ask, and events are stored once by their
    ids. So who finds it busy, or loses the connection, asks again.
    """

    def __init__(self, url: str, api_key: str | None, patience: Patience) -> None:
        key = "" if api_key is None else api_key.strip()
        if not (key.isascii() and key.isprintable()):
            raise EndpointError("this is no API key: it holds characters that none of ours has")
        headers = {API_KEY: key} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=patience.timeout)
        self._patience = patience

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        is_urgent: bool = True,
        **parts: Any,
    ) -> httpx.Response:
        """Return the answer; raise EndpointError if it is none of 200.

        `body` goes as JSON, `parts` as httpx takes them. What is not urgent is sent again after a
        time-out too; who waits for an answer has waited long enough by then.
        """
        if body is not None:
            # Numbers that JSON has not are for the endpoint to refuse, in its words.
            parts["content"] = json.dumps(body).encode()
            parts["headers"] = {"content-type": "application/json"}
        request = self._build(method, path, parts)
        tries = 0
        while True:
            try:
                return self._try(request, is_urgent)
            except _PassingError as passing:
                tries += 1
                wait = self._patience.wait_after(tries, passing.error.retry_after)
                if wait is None:
                    raise passing.error from passing.__cause__
            time.sleep(wait * random.uniform(1, 1 + _SPREAD))  # noqa: S311 - no secret

    def ask_once(self, method: str, path: str) -> httpx.Response:
        """Return the answer to the first try, whatever may be over by the next."""
        try:
            return self._try(self._build(method, path, {}), is_urgent=True)
        except _PassingError as passing:
            raise passing.error from passing.__cause__

    def _build(self, method: str, path: str, parts: Mapping[str, Any]) -> httpx.Request:
        request = self._http.build_request(method, path, **parts)
        request.headers[REQUEST_ID] = uuid.uuid4().hex
        return request

    def _try(self, request: httpx.Request, is_urgent: bool) -> httpx.Response:
        request_id = request.headers[REQUEST_ID]
        try:
            answer = self._http.send(request)
        except httpx.TimeoutException as error:
            sentence = f"{request.url}: no answer within {self._patience.timeout:g} seconds"
            late = EndpointError(sentence, request_id=request_id)
            if is_urgent and not isinstance(error, httpx.ConnectTimeout):
                raise late from error
            raise _PassingError(late) from error
        except httpx.TransportError as error:
            lost = EndpointError(f"{request.url}: {error or 'no answer'}", request_id=request_id)
            raise _PassingError(lost) from error
        if answer.status_code == HTTPStatus.OK:
            return answer
        refusal = EndpointError(
            _sentence_of(answer),
            status=answer.status_code,
            request_id=answer.headers.get(REQUEST_ID, request_id),
            retry_after=_read_seconds(answer.headers.get("retry-after")),
        )
        if answer.status_code in _PASSING:
            raise _PassingError(refusal)
        raise refusal


class _PassingError(Exception):
    """What may be over by the next try."""

    def __init__(self, error: EndpointError) -> None:
        super().__init__(str(error))
        self.error = error


def _sentence_of(answer: httpx.Response) -> str:
    """Return what the endpoint says; a proxy before it may answer anything."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if isinstance(content, dict) and isinstance(content.get("error"), str):
        return str(content["error"])
    return answer.text.strip()[:_SHOWN] or answer.reason_phrase or "refused without a word"


def _read_seconds(text: str | None) -> float | None:
    """Return the seconds that Retry-After names; None without one, or where it is a date."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None

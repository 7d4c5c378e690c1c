"""What the endpoint counts of itself; BentoML's /metrics shows the sum over its workers."""

from functools import cache
from http import HTTPStatus
from typing import Any

from serving.scopes import ROUTES, is_below

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ELSEWHERE = "other"


def route_of(path: str) -> str:
    """Return the route that a path is counted under: one of the table of scopes, or "other"."""
    if path in ROUTES:
        return path
    return next((route for route in ROUTES if is_below(path, route)), _ELSEWHERE)


class Meter:
    """The endpoint's counters; one a process."""

    def __init__(self) -> None:
        # It reads where the workers' counts are kept as it is imported, so not before we serve.
        from prometheus_client import Counter, Histogram

        self._requests = Counter(
            "beholder_requests", "Requests by route and status.", ["route", "status"]
        )
        self._seconds = Histogram(
            "beholder_request_seconds",
            "Seconds from a request's arrival to the end of its answer, refusals as busy left out.",
            ["route"],
            buckets=_SECONDS,
        )
        self._answers = Counter(
            "beholder_answers",
            "Answers by route, the model's version, and what they rest on.",
            ["route", "version", "path"],
        )
        self._pictures = Histogram(
            "beholder_batch_pictures", "Pictures encoded at once.", buckets=(1, 2, 4, 8, 16, 32)
        )
        self._lost = Counter("beholder_answers_lost", "Answers that the answer log could not keep.")
        # Looking a label up costs more than counting.
        self._known: dict[tuple[Any, ...], Any] = {}

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended; status 0 is one whose caller hung up."""
        self._of(self._requests, route, str(int(status))).inc()
        if status != HTTPStatus.TOO_MANY_REQUESTS:
            self._of(self._seconds, route).observe(seconds)

    def count_answer(self, route: str, version: str, path: str) -> None:
        """Count an answer of a version by what it rests on."""
        self._of(self._answers, route, version, path).inc()

    def count_batch(self, pictures: int) -> None:
        """Count pictures that were encoded at once."""
        self._pictures.observe(pictures)

    def count_lost(self, answers: int) -> None:
        """Count answers that could not be kept."""
        self._lost.inc(answers)

    def _of(self, metric: Any, *labels: str) -> Any:
        key = (id(metric), *labels)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = metric.labels(*labels)
        return known


@cache
def open_meter() -> Meter:
    """Return this process's counters."""
    return Meter()

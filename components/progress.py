"""Progress of long work: a bar on a terminal, log lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")
_LOG_EVERY_SECONDS = 5.0

log = logging.getLogger(__name__)


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, showing how many of `total` are done."""
    if total is None:
        total = len(items) if isinstance(items, Sized) else None
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        yield from bar(items, label, total=total, console=Console(stderr=True), transient=True)
        return
    started = said = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - said >= _LOG_EVERY_SECONDS:
            said = now
            rate = done / (now - started)
            log.info("progress what=%s done=%d of=%s per_second=%.1f", label, done, total, rate)

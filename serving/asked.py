"""What one request is known by while it is answered: its id, and the release that answers it."""

import os
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.release import Release

REQUEST_ID = b"x-request-id"
MODEL_VERSION = b"x-model-version"
LINEAGE_ID = b"x-lineage-id"

# A caller's own id goes into headers, logs and the feedback log as it came.
_FIT = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


@dataclass
class Asked:
    """One request; `release` is the one that it was answered from, None before or without.

    `path` is what the answer rests on, None where answers do not say.
    """

    request_id: str
    release: "Release | None" = None
    path: str | None = None
    started: float = field(default_factory=time.perf_counter)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return what every answer says of itself."""
        told = [(REQUEST_ID, self.request_id.encode())]
        if self.release is not None:
            manifest = self.release.manifest
            told.append((MODEL_VERSION, manifest.version.encode()))
            told.append((LINEAGE_ID, manifest.lineage_id.encode()))
        return told


_now: ContextVar[Asked | None] = ContextVar("asked", default=None)


def begin(headers: list[tuple[bytes, bytes]]) -> Asked:
    """Begin a request in this task; its id is the caller's, if that is fit to be repeated."""
    asked = Asked(read_id(headers))
    _now.set(asked)
    return asked


def read_id(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the id that a request brings along, or a new one where that is none to repeat."""
    given = next((value for name, value in headers if name == REQUEST_ID), b"")
    return given.decode() if _FIT.fullmatch(given) else make_id()


def make_id() -> str:
    """Return a new id: 12 hex digits of the time in milliseconds, then 20 that nobody can guess.

    What is stored under ids that grow costs half of what it costs under ids all over the place.
    """
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def answered_from(release: "Release") -> None:
    """Note which release answers the request of this task."""
    asked = _now.get()
    if asked is not None:
        asked.release = release


def now() -> Asked | None:
    """Return the request of this task; None outside of one."""
    return _now.get()


def answered_by(path: str | None) -> None:
    """Note what the answer to the request of this task rests on."""
    asked = _now.get()
    if asked is not None:
        asked.path = path

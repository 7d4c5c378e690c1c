"""How a running endpoint learns which release shall answer, and how its workers say what they do.

Each endpoint has a folder: `pointer.json`, written by whoever deploys, and `workers/PID.json`, a
file a worker. A release changes in two phases: every worker opens the new one beside the old and
says that it stands by; then the pointer names it as the one that answers, and every worker swaps.
"""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from components.errors import CorruptFileError
from components.files import read_json, write_json

POINTER = "pointer.json"
_WORKERS = "workers"


@dataclass(frozen=True)
class Place:
    """A release: the folder of its Bento, and the hash of its content (release.json).

    `catalogue` is the folder of the overlay that is opened with it, `overlay` that one's digest;
    None where the Bento answers from its own catalogue as it was learnt.
    """

    bento: str
    content: str
    catalogue: str | None = None
    overlay: str | None = None

    @property
    def release(self) -> str:
        """What a worker calls the two together, once it has opened them."""
        return name_release(self.content, self.overlay)

    def to_json(self) -> dict[str, str]:
        """Return it as it is written: without an overlay as before there were any."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def name_release(content: str, overlay: str | None) -> str:
    """Return the one name of a Bento's content and the overlay opened with it."""
    return content if overlay is None else f"{content}+{overlay}"


@dataclass(frozen=True)
class Pointer:
    """What the workers shall do: answer from `current`, and have `standby` open beside it.

    `attempt` grows with every order, so that what was refused once can be tried again. `workers`
    is how many processes answer.
    """

    attempt: int
    workers: int
    current: Place
    standby: Place | None = None


@dataclass(frozen=True)
class WorkerReport:
    """What one worker has made of the order `attempt`: releases as `Place.release` names them.

    `started` is when its process was created, in seconds since 1970, because ids come again.
    `questions` golden questions were answered by the standby, off by `max_difference` rating points
    at most. `refusal` says why the order could not be followed; then all stays as it was.
    """

    pid: int
    started: float
    attempt: int
    active: str
    standby: str | None = None
    questions: int = 0
    max_difference: float = 0.0
    refusal: str | None = None


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Give an endpoint's workers a new order."""
    standby = None if pointer.standby is None else pointer.standby.to_json()
    content = {**asdict(pointer), "current": pointer.current.to_json(), "standby": standby}
    write_json(folder / POINTER, content)


def read_pointer(folder: Path) -> Pointer | None:
    """Return the order of now, None before the first; raise CorruptFileError if it is none."""
    path = folder / POINTER
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        standby = content["standby"]
        return Pointer(
            int(content["attempt"]),
            int(content["workers"]),
            Place(**content["current"]),
            None if standby is None else Place(**standby),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(f"{path} names no release ({error!r})") from error


def write_report(folder: Path, report: WorkerReport) -> None:
    """Say what this worker does."""
    write_json(folder / _WORKERS / f"{report.pid}.json", asdict(report))


def read_reports(folder: Path) -> list[WorkerReport]:
    """Return what the workers that live say, by process id; files of dead ones are removed."""
    return sorted(_read_living(folder / _WORKERS), key=lambda report: report.pid)


def started_at(pid: int | None = None) -> float:
    """Return when a process was created, by default this one."""
    return psutil.Process(os.getpid() if pid is None else pid).create_time()


def _read_living(workers: Path) -> Iterator[WorkerReport]:
    for path in workers.glob("[0-9]*.json"):
        content: dict[str, Any] = read_json(path)
        report = WorkerReport(**content)
        if _lives(report):
            yield report
        else:
            path.unlink(missing_ok=True)


def _lives(report: WorkerReport) -> bool:
    try:
        return abs(started_at(report.pid) - report.started) < 1
    except psutil.NoSuchProcess:
        return False

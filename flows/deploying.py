"""Which release this workspace's endpoints answer from: rehearsed, then swapped by all workers.

An endpoint has a folder below `run/endpoints`: `background` is the one that circus keeps alive, any
other is named by the process id of a `beholder serve` in the foreground.
"""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import psutil

from components.errors import ConflictError, ServiceError
from components.packaging.pointer import (
    Place,
    Pointer,
    WorkerReport,
    read_pointer,
    read_reports,
    write_pointer,
)
from components.packaging.release import read_release
from components.pages.words import counted
from components.paths import Workspace
from components.promotion.registry import Version
from flows.overlays import find_overlay_of
from flows.releases import fetch_bento

BACKGROUND = "background"

_POLL_SECONDS = 0.05
_OPEN_SECONDS = 120.0
_SWAP_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rehearsal:
    """How a release did that every worker opened beside the one that answers.

    Its `reports` are the workers' last; `reasons` say why it must not answer, and are empty where
    all stand by.
    """

    content: str
    reports: tuple[WorkerReport, ...]
    reasons: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every worker stands by to answer with it."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Return what is worth keeping as evidence."""
        return {
            "content": self.content,
            "reasons": list(self.reasons),
            "workers": [asdict(report) for report in self.reports],
        }

    def describe(self) -> str:
        """Return the rehearsal in a line."""
        if self.reasons:
            return f"refused: {'; '.join(self.reasons)}"
        worst = max((report.max_difference for report in self.reports), default=0.0)
        questions = min((report.questions for report in self.reports), default=0)
        return (
            f"{counted(len(self.reports), 'worker stands by', 'workers stand by')}; "
            f"{questions} golden answers, off by {worst:.0e} at most"
        )


@dataclass(frozen=True)
class Takeover:
    """How an endpoint came to answer with a release: `way` is how, `seconds` what it took.

    `questions` golden questions were answered by each worker, off by `max_difference` rating points
    at most; none were asked where it answered so already.
    """

    endpoint: str
    way: Literal["swapped", "started", "already"]
    workers: int
    seconds: float = 0.0
    questions: int = 0
    max_difference: float = 0.0

    def describe(self) -> str:
        """Return it in a line."""
        if self.way == "already":
            return f"answers so already, by {self.workers} workers"
        if self.way == "started":
            return f"{self.workers} workers started in {self.seconds:.1f} s"
        return (
            f"{self.workers} workers swapped in {self.seconds:.1f} s, no request lost; "
            f"{self.questions} golden answers, off by {self.max_difference:.0e} at most"
        )


@dataclass(frozen=True)
class LiveEndpoint:
    """An endpoint that runs: its folder, and the last order that its workers were given."""

    folder: Path
    pointer: Pointer

    @property
    def is_background(self) -> bool:
        """Whether circus keeps it alive."""
        return self.folder.name == BACKGROUND

    def order(self, current: Place, standby: Place | None) -> "LiveEndpoint":
        """Give the workers a new order, and return the endpoint with it."""
        pointer = replace(
            self.pointer, attempt=self.pointer.attempt + 1, current=current, standby=standby
        )
        write_pointer(self.folder, pointer)
        return replace(self, pointer=pointer)

    def reports(self) -> list[WorkerReport]:
        """Return what its workers say now."""
        return read_reports(self.folder)


def endpoint_folder(workspace: Workspace, name: str) -> Path:
    """Return the folder of an endpoint, by its name."""
    return workspace.run / "endpoints" / name


def begin(folder: Path, place: Place, workers: int) -> None:
    """Write the first order of an endpoint that is about to start: answer from this release."""
    before = read_pointer(folder)
    attempt = 1 if before is None else before.attempt + 1
    write_pointer(folder, Pointer(attempt, workers, place))


def await_workers(folder: Path) -> int:
    """Wait until every worker of an endpoint that was started answers from its first order.

    Returns how many there are.
    """
    pointer = read_pointer(folder)
    if pointer is None:
        return 0
    release = pointer.current.release
    return len(_await(LiveEndpoint(folder, pointer), lambda report: report.active == release))


def find_place(workspace: Workspace, bento: Path, *, keep: bool = False) -> Place:
    """Return where a Bento stands, what it holds, and the overlay to open with it.

    `keep` as in `find_overlay_of`.
    """
    place = Place(str(bento.resolve()), read_release(bento).content)
    overlay = find_overlay_of(workspace, bento, keep=keep)
    if overlay is None:
        return place
    folder, digest = overlay
    return replace(place, catalogue=str(folder.resolve()), overlay=digest)


def find_live(workspace: Workspace) -> list[LiveEndpoint]:
    """Return the endpoints that have workers; folders of ended foreground ones are removed."""
    found = []
    for folder in sorted(endpoint_folder(workspace, BACKGROUND).parent.glob("*")):
        pointer = read_pointer(folder)
        if pointer is not None and read_reports(folder):
            found.append(LiveEndpoint(folder, pointer))
        elif folder.name.isdigit() and not psutil.pid_exists(int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)
    return found


def can_follow(endpoint: LiveEndpoint, bento: Path) -> bool:
    """Whether a Bento runs on the code and packages that the endpoint runs on."""
    running = read_release(Path(endpoint.pointer.current.bento))
    return read_release(bento).runtime == running.runtime


def rehearse(workspace: Workspace, version: Version) -> Rehearsal | None:
    """Let every worker open a version beside the one that answers, and ask it golden questions.

    None where no endpoint runs, or one that runs other code. Nobody gets an answer from it yet.
    """
    bento = fetch_bento(workspace, version)
    endpoints = find_live(workspace)
    if not endpoints or not all(can_follow(endpoint, bento) for endpoint in endpoints):
        return None
    place = find_place(workspace, bento)
    reports: list[WorkerReport] = []
    reasons: list[str] = []
    ordered = [_stand_by(endpoint, place) for endpoint in endpoints]
    for endpoint in ordered:
        told = _await(endpoint, lambda report: place.release in (report.standby, report.active))
        reports += told
        reasons += [report.refusal for report in told if report.refusal is not None]
    if reasons:
        abandon(workspace)
    return Rehearsal(place.content, tuple(reports), tuple(dict.fromkeys(reasons)))


def abandon(workspace: Workspace) -> None:
    """Let no worker stand by any more; all answer as before."""
    for endpoint in find_live(workspace):
        if endpoint.pointer.standby is not None:
            endpoint.order(endpoint.pointer.current, None)


def swap(endpoint: LiveEndpoint, place: Place) -> Takeover:
    """Let every worker of an endpoint answer from a release, all or none.

    Raises ConflictError if a worker refuses it, ServiceError if one does not say a word.
    """
    started, is_new = time.monotonic(), endpoint.pointer.current != place
    told: Sequence[WorkerReport] = ()
    if is_new:
        endpoint = _stand_by(endpoint, place)
        told = _await(endpoint, lambda report: place.release in (report.standby, report.active))
        refusals = [report.refusal for report in told if report.refusal is not None]
        if refusals:
            endpoint.order(endpoint.pointer.current, None)
            raise ConflictError(f"the endpoint stays as it is: {refusals[0]}")
        endpoint = endpoint.order(place, None)
    done = _await(endpoint, lambda report: report.active == place.release, _SWAP_SECONDS)
    log.info("endpoint swapped endpoint=%s release=%s", endpoint.folder.name, place.release)
    if not is_new:
        return Takeover(endpoint.folder.name, "already", len(done))
    return Takeover(
        endpoint.folder.name,
        "swapped",
        len(done),
        time.monotonic() - started,
        min((report.questions for report in told), default=0),
        max((report.max_difference for report in told), default=0.0),
    )


def _stand_by(endpoint: LiveEndpoint, place: Place) -> LiveEndpoint:
    pointer = endpoint.pointer
    if place in (pointer.current, pointer.standby):
        return endpoint
    return endpoint.order(pointer.current, place)


def _await(
    endpoint: LiveEndpoint,
    is_done: Callable[[WorkerReport], bool],
    seconds: float = _OPEN_SECONDS,
) -> Sequence[WorkerReport]:
    """Return the workers' reports once all have followed the last order, or one has refused it."""
    deadline = time.monotonic() + seconds
    while True:
        reports = endpoint.reports()
        done = [report for report in reports if is_done(report)]
        refused = [
            report
            for report in reports
            if report.refusal is not None and report.attempt == endpoint.pointer.attempt
        ]
        if refused:
            return refused
        if len(done) >= endpoint.pointer.workers and len(done) == len(reports):
            return done
        if time.monotonic() > deadline:
            raise ServiceError(
                f"only {len(done)} of {endpoint.pointer.workers} workers of the endpoint followed "
                f"in {seconds:.0f} s; see its log, then run 'beholder serve --restart'"
            )
        time.sleep(_POLL_SECONDS)

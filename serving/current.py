"""The release that answers in this worker, and the one that stands by to take its place."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from components.errors import BeholderError
from components.packaging.pointer import (
    POINTER,
    Place,
    Pointer,
    WorkerReport,
    read_pointer,
    started_at,
    write_report,
)
from components.packaging.release import read_release
from serving.release import Release

_POLL_SECONDS = 0.05

log = logging.getLogger(__name__)

Opener = Callable[[Place], Release]


class Current:
    """Follows the orders in an endpoint's folder; `release` is what to answer from now.

    It is replaced whole, by one assignment: who has taken it answers from one release to the end.
    """

    def __init__(
        self,
        own: Path,
        folder: Path | None,
        opener: Opener,
        after_swap: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the release that the folder's order names, or the Bento `own` where there is none.

        Raises BeholderError if it must not answer.
        """
        self._after_swap = after_swap
        self._ended = threading.Event()
        self._runtime = read_release(own).runtime
        self._folder = folder
        self._opener = opener
        self._standby: Release | None = None
        pointer = None if folder is None else read_pointer(folder)
        self._attempt = 0 if pointer is None else pointer.attempt
        self.release = self._open(_as_it_is(own) if pointer is None else pointer.current)
        if folder is not None:
            self._report()
            threading.Thread(
                target=self._follow, args=(folder,), name="pointer", daemon=True
            ).start()

    def close(self) -> None:
        """Follow no order any more."""
        self._ended.set()

    def _follow(self, folder: Path) -> None:
        seen = None
        while not self._ended.wait(_POLL_SECONDS):
            try:
                facts = (folder / POINTER).stat()
            except FileNotFoundError:
                continue
            if (facts.st_ino, facts.st_mtime_ns) == seen:
                continue
            seen = (facts.st_ino, facts.st_mtime_ns)
            try:
                pointer = read_pointer(folder)
            except BeholderError as error:
                log.error("order not understood reason=%s", error)
                continue
            if pointer is not None:
                self._obey(pointer)

    def _obey(self, pointer: Pointer) -> None:
        refusal = None
        try:
            self._stand_by(pointer.standby, pointer.current)
            self._activate(pointer.current)
        except BeholderError as error:
            refusal = str(error)
        except Exception as error:  # whatever it is, the old release goes on answering
            log.exception("order failed attempt=%d", pointer.attempt)
            refusal = f"{type(error).__name__}: {error}"
        if refusal is not None:
            log.error("order refused attempt=%d reason=%s", pointer.attempt, refusal)
        self._attempt = pointer.attempt
        self._report(refusal)

    def _stand_by(self, place: Place | None, current: Place) -> None:
        if place is None:
            if not self._stands_by(current):
                self._standby = None
        elif not self._stands_by(place):
            self._standby = None
            self._standby = self._open(place)

    def _activate(self, place: Place) -> None:
        if self.release.name == place.release:
            return
        standby = self._standby if self._stands_by(place) else None
        # Swapped in one assignment: no request sees a part of each.
        left, self.release = self.release, standby or self._open(place)
        self._standby = None
        log.info(
            "release swapped from=%s to=%s catalogue=%s",
            *(left.manifest.version, self.release.manifest.version, self.release.catalogue_id),
        )
        del left
        self._after_swap()

    def _stands_by(self, place: Place) -> bool:
        return self._standby is not None and self._standby.name == place.release

    def _open(self, place: Place) -> Release:
        manifest = read_release(Path(place.bento))
        if manifest.runtime != self._runtime:
            raise BeholderError(
                f"version {manifest.version} was packaged with other service code or other "
                "packages than this endpoint runs; run 'beholder serve --restart'"
            )
        if place.content != manifest.content:
            raise BeholderError(
                f"{place.bento} holds another release than the order names; run 'beholder deploy'"
            )
        return self._opener(place)

    def _report(self, refusal: str | None = None) -> None:
        if self._folder is None:
            return
        standby = self._standby
        write_report(
            self._folder,
            WorkerReport(
                pid=os.getpid(),
                started=started_at(),
                attempt=self._attempt,
                active=self.release.name,
                standby=None if standby is None else standby.name,
                questions=0 if standby is None else standby.questions,
                max_difference=0.0 if standby is None else standby.max_difference,
                refusal=refusal,
            ),
        )


def _as_it_is(bento: Path) -> Place:
    return Place(str(bento), read_release(bento).content)

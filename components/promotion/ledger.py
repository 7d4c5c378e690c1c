"""The ledger: who did what to the champion, when, why and on what evidence, in a chain of hashes.

One entry a line, each with the hash of the one before. What is written stays: a line that was
changed, taken out or moved is found by `verify`, and so is an end that was cut off, because the
registry remembers the last entry too.
"""

import getpass
import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from components.promotion.chain import (
    Chain,
    Entry,
    Facts,
    Flaw,
    Kind,
    Mark,
    find_flaws,
    read_entry,
    seal_entry,
    shorten,
)
from components.promotion.journal import Journal
from components.settings import load_settings

_SHOWN_OF_TORN = 500

log = logging.getLogger(__name__)


class Home(Protocol):
    """Where a ledger belongs: what the registry remembers of it, and the lock of its writers."""

    def recall(self) -> Mark | None:
        """Return what is remembered of the last entry."""

    def remember(self, mark: Mark) -> None:
        """Remember the last entry."""

    def champion(self) -> int | None:
        """Return whom the alias names: what a new ledger begins with."""

    def hold(self) -> AbstractContextManager[None]:
        """Hold the lock of this ledger's writers."""


class Ledger:
    """The ledger of one registered model; every entry is on disk before `append` returns."""

    def __init__(self, journal: Journal, home: Home) -> None:
        self._journal = journal
        self._home = home

    @property
    def place(self) -> str:
        """Where the lines lie, for people."""
        return self._journal.place

    def read(self) -> Chain:
        """Return all that is written."""
        mark = self._home.recall()  # first: what is remembered then is written already
        lines = self._journal.read()
        entries = tuple(entry for line in lines.whole if (entry := read_entry(line)) is not None)
        return Chain(lines, entries, mark)

    def verify(self) -> tuple[Flaw, ...]:
        """Return every flaw, the first line's first; nothing if the chain is whole."""
        chain = self.read()
        return find_flaws(chain.lines, chain.mark)

    def append(
        self,
        kind: Kind,
        *,
        version: int | None = None,
        reason: str = "",
        evidence: Mapping[str, Any] | None = None,
        actor: str | None = None,
        check: Callable[[Chain], None] | None = None,
    ) -> Entry:
        """Write one entry and return it; `actor` is user@host unless given.

        `check` is asked about the chain that the entry will follow, with nobody writing between,
        and may raise. A reason longer than 2,000 characters is cut. A line that a kill tore is
        cut off first, which an entry of its own tells.
        """
        with self._home.hold():
            self._mend()
            while True:
                chain = self.read()
                if check is not None:
                    check(chain)
                facts = Facts(kind, version, reason, dict(evidence or {}), actor or find_actor())
                if chain.is_new:
                    self._write(chain, self._open())
                    continue
                entry = self._write(chain, facts)
                if entry is not None:
                    return entry

    def append_once(
        self,
        kind: Kind,
        *,
        version: int,
        reason: str = "",
        evidence: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> Entry:
        """Do what `append` does, unless the last entry of that kind says the very same already.

        So an action that was killed after it was written is not told twice.
        """
        last = self.read().last(kind)
        if last is not None:
            told = (last.version, last.reason, dict(last.evidence))
            if told == (version, shorten(reason), dict(evidence or {})):
                return last
        return self.append(kind, version=version, reason=reason, evidence=evidence, actor=actor)

    def _write(self, chain: Chain, facts: Facts) -> Entry | None:
        entry = seal_entry(chain.next_number, chain.head, facts)
        if not self._journal.put(entry.number, entry.to_line()):
            log.info("ledger entry lost its place, trying the next number=%d", entry.number)
            return None
        self._home.remember(Mark(entry.number, entry.sha256))
        log.info("ledger entry written number=%d kind=%s", entry.number, entry.kind)
        return entry

    def _open(self) -> Facts:
        champion = self._home.champion()
        found = "no version is champion yet" if champion is None else "champion when it began"
        return Facts("opened", champion, f"the ledger begins: {found}", {}, find_actor())

    def _mend(self) -> None:
        """Cut off, or complete, the line that a kill has torn, and say so in the chain."""
        torn = self._journal.read().torn
        if not torn:
            return
        entry = read_entry(torn)
        if entry is not None and entry.is_whole():
            self._journal.mend(keep=True)
            log.warning("ledger line completed number=%d: its writer was killed", entry.number)
            return
        self._journal.mend(keep=False)
        reason = f"{len(torn)} bytes of a line were cut off: their writer was killed"
        log.warning("ledger line cut bytes=%d: its writer was killed", len(torn))
        evidence = {"torn": torn.decode(errors="replace")[:_SHOWN_OF_TORN]}
        facts = Facts("mended", None, reason, evidence, find_actor())
        self._write(self.read(), facts)


def find_actor() -> str:
    """Return who acts: BEHOLDER_ACTOR, or else user@host."""
    if given := load_settings().actor:
        return given
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"

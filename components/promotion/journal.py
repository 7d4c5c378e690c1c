"""Where a ledger's lines lie: a file beside a SQLite store, or a run of an MLflow server.

Both only ever add. A parameter of a run cannot be changed once it is written, and of two writers
of one the server lets one in: so a ledger on a server needs no lock that machines share.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.errors import ServiceError
from components.files import fsync_folder
from components.promotion.store import Store

EXPERIMENT = "beholder ledger"
_KEY = re.compile(r"\d{9}")
_MAX_LENGTH = 6000


@dataclass(frozen=True)
class Lines:
    """The whole lines of a ledger, and what a kill left of one more."""

    whole: tuple[bytes, ...] = ()
    torn: bytes = b""


class Journal(Protocol):
    """Lines by number, counted from 1, that are added and never changed."""

    @property
    def place(self) -> str:
        """Where they lie, for people."""

    def read(self) -> Lines:
        """Return all lines."""

    def put(self, number: int, line: bytes) -> bool:
        """Make a line the last one, durably; False if another took the number meanwhile."""

    def mend(self, *, keep: bool) -> None:
        """Complete the torn last line, or cut it off."""


class FileJournal:
    """Lines of a file; whoever writes holds a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        """The file's path."""
        return str(self._path)

    def read(self) -> Lines:
        """Return all lines; none of a file that is not there."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Lines()
        *whole, torn = content.split(b"\n")
        return Lines(tuple(whole), torn)

    def put(self, number: int, line: bytes) -> bool:
        """Append the line and its end in one write."""
        del number  # the lock keeps others away
        self._path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self._path.exists()
        self._append(line + b"\n")
        if is_new:
            fsync_folder(self._path.parent)
            fsync_folder(self._path.parent.parent)
        return True

    def mend(self, *, keep: bool) -> None:
        """End the torn line, or cut the file after the last whole one."""
        if keep:
            self._append(b"\n")
            return
        size = self._path.stat().st_size - len(self.read().torn)
        with self._path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def _append(self, content: bytes) -> None:
        with self._path.open("ab", buffering=0) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())


class RunJournal:
    """Lines as the parameters of one MLflow run, `000000001` and so on.

    `find_run` returns the run's id; asked to, it makes one where there is none.
    """

    def __init__(self, store: Store, find_run: Callable[[bool], str | None]) -> None:
        self._store = store
        self._find_run = find_run

    @property
    def place(self) -> str:
        """The run and its server."""
        return f"run {self._find_run(False) or '(none yet)'} of {self._store.name}"

    def read(self) -> Lines:
        """Return the parameters in order."""
        run_id = self._find_run(False)
        return Lines() if run_id is None else Lines(tuple(self._read(run_id).values()))

    def put(self, number: int, line: bytes) -> bool:
        """Write one parameter, unless another machine was quicker."""
        run_id, key, text = self._find_run(True), f"{number:09d}", line.decode()
        assert run_id is not None
        if len(text) > _MAX_LENGTH:  # MLflow would cut it without a word
            raise ServiceError(
                f"an entry of {len(text):,} characters is too long for the ledger in "
                f"{self._store.name}, which takes {_MAX_LENGTH:,}; give less evidence"
            )
        try:
            self._store.ask("write the ledger", lambda client: client.log_param(run_id, key, text))
        except ServiceError:
            # Refused because it stands there with another value, or written before the answer
            # was lost: what stands there tells.
            if key not in (found := self._read(run_id)):
                raise
            return found[key] == line
        return True

    def mend(self, *, keep: bool) -> None:
        """Do nothing: a parameter is there or not."""
        del keep

    def _read(self, run_id: str) -> dict[str, bytes]:
        run = self._store.ask("read the ledger", lambda client: client.get_run(run_id))
        params = sorted(run.data.params.items())
        return {key: value.encode() for key, value in params if _KEY.fullmatch(key)}


def open_run(store: Store, model: str) -> str:
    """Make the run that will hold the ledger of a registered model, and return its id."""
    made = store.create(
        "create the ledger's experiment", lambda client: client.create_experiment(EXPERIMENT)
    )
    if made is None:
        found = store.ask(
            "find the ledger's experiment",
            lambda client: client.get_experiment_by_name(EXPERIMENT),
        )
        if found is None or found.lifecycle_stage != "active":
            raise ServiceError(
                f"the experiment {EXPERIMENT!r} in {store.name} is deleted; restore it in "
                "MLflow's UI"
            )
        made = found.experiment_id
    run = store.ask(
        "create the ledger's run", lambda client: client.create_run(made, run_name=model)
    )
    run_id = str(run.info.run_id)
    store.ask("end the ledger's run", lambda client: client.set_terminated(run_id))
    return run_id

"""`python -m tests.torture.work WORKSPACE`: from bundles to a champion, a process each time.

What a retraining does after its files are made, in its order and by its functions. A line of
input, `["PHASE", NUMBER]`, starts a process that kills itself by SIGKILL at that event: a file
opened for writing, renamed, removed or synced, a process started, a call to MLflow begun or
ended. `["", 0]` kills none. A line of output says how it ended and how many events there were.
"""

import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow  # noqa: F401 - so that every fork has it

from components.models.bundle import read_digest
from components.paths import Workspace
from components.promotion.gate import Verdict
from components.promotion.store import Store
from components.promotion.version import TRIAL_TAG
from components.settings import load_settings
from flows import candidate, releases
from flows.environment import enter
from flows.lineage import Lineage
from flows.pipeline import STAGES
from flows.tracking import open_run, store_address

WATCHED = ("os.rename", "os.remove", "os.mkdir", "os.link", "os.truncate", "subprocess.Popen")
PHASES = ("register", "package", "promote")


class Events:
    """Counts what happens in each phase, and dies where it was told to."""

    def __init__(self, phase: str = "", last: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self._now = ""
        self._deadly = (phase, last)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._now = name
        yield
        self._now = ""

    def count(self) -> None:
        if self._now:
            self.counts[self._now] += 1
            if (self._now, self.counts[self._now]) == self._deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
            if is_write or event in WATCHED:
                self.count()

        sys.addaudithook(audit)
        ask, fsync = Store.ask, os.fsync

        def ask_and_count(store: Store, what: str, call: Any) -> Any:
            self.count()
            answer = ask(store, what, call)
            self.count()
            return answer

        def fsync_and_count(descriptor: int) -> None:
            self.count()
            fsync(descriptor)

        Store.ask = ask_and_count  # type: ignore[method-assign]
        os.fsync = fsync_and_count  # type: ignore[assignment]


def work(workspace: Workspace, events: Events) -> None:
    """Bring the workspace's bundles to be champion."""
    enter(workspace)
    bundles = candidate.workspace_bundles(workspace)
    served = read_digest(bundles.served)
    code = dict.fromkeys(STAGES, "0")
    lineage = Lineage("d" * 64, "p", code, "l", served, served, "k", None)
    events.watch()
    registry = releases.open_registry(workspace)
    with events.phase("register"):
        key = bundles.verify()
        run = open_run(store_address(workspace, load_settings()), "torture", "run", {}, key=key)
        version = candidate.register(workspace, run, lineage)
    champion = registry.champion()
    with events.phase("package"):
        releases.package_bento(workspace, version)
    registry.annotate(version, TRIAL_TAG, "passed")
    verdict = Verdict("promote", ("better",))
    registry.mark(version, verdict)
    with events.phase("promote"):
        candidate.promote(workspace, registry.version(version.number), champion, verdict)


def main() -> None:
    """Do each line's job in a fork, which has all modules already, and print how it ended."""
    workspace = Workspace(Path(sys.argv[1]))
    for line in sys.stdin:
        events = Events(*json.loads(line))
        read_end, write_end = os.pipe()
        if (child := os.fork()) == 0:
            try:
                work(workspace, events)
                os.write(write_end, json.dumps(events.counts).encode())
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(write_end)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        counts = os.read(read_end, 1000).decode()
        os.close(read_end)
        print(json.dumps({"code": code, "counts": json.loads(counts or "{}")}), flush=True)


if __name__ == "__main__":
    main()

"""The circus arbiter of one workspace: one process that keeps the servers alive."""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from components.errors import ServiceError
from components.files import write_bytes
from components.paths import Workspace
from flows.environment import build_environment

_POLL_SECONDS = 0.2
_START_SECONDS = 30
_END_SECONDS = 60


class Arbiter:
    """Talks to the arbiter over a Unix socket that only this user may open."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self._workspace = workspace
        self._layout = folder / "circus.ini"
        self._pid_file = folder / "circus.pid"
        self._log_file = folder / "circus.log"

    @property
    def pid(self) -> int:
        """The arbiter's process id, once it answers."""
        return int(self._pid_file.read_text())

    def call(self, command: str, *, timeout: float = 30, **properties: Any) -> dict[str, Any]:
        """Send one command and return the answer; raise ServiceError if it is refused."""
        from circus.client import CircusClient

        client = CircusClient(endpoint=self._endpoint, timeout=timeout)
        try:
            answer: dict[str, Any] = client.call({"command": command, "properties": properties})
        finally:
            client.stop()
        if answer["status"] != "ok":
            raise ServiceError(f"the process manager refused {command!r}: {answer.get('reason')}")
        return answer

    def answers(self) -> bool:
        """Is an arbiter running?"""
        from circus.exc import CallError

        if not self._is_alive():
            return False
        try:
            self.call("numwatchers", timeout=2)
        except CallError:
            return False
        return True

    def _is_alive(self) -> bool:
        # Asked first, because a socket whose owner is dead answers with a time-out only.
        try:
            process = psutil.Process(self.pid)
            return str(self._layout) in process.cmdline() and process.status() != "zombie"
        except (FileNotFoundError, ValueError, psutil.Error):
            return False

    def watchers(self) -> set[str]:
        """Return the names of the servers that it looks after."""
        return set(self.call("list")["watchers"]) if self.answers() else set()

    def start(self) -> None:
        """Start the arbiter unless one runs already; it outlives this process."""
        if self.answers():
            return
        endpoint = self._endpoint
        write_bytes(
            self._layout,
            f"[circus]\nendpoint = {endpoint}\npubsub_endpoint = {endpoint}.events\n"
            f"pidfile = {self._pid_file}\ncheck_delay = 1\n".encode(),
        )
        self._pid_file.unlink(missing_ok=True)
        # As a daemon it is nobody's child: it outlives this process, and leaves it no zombie.
        started = subprocess.run(
            [
                *(sys.executable, "-m", "circus.circusd", "--daemon"),
                *("--log-output", str(self._log_file), str(self._layout)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._workspace.root,
            env={**os.environ, **build_environment(self._workspace)},
            check=False,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if started.returncode or time.monotonic() > deadline:
                raise ServiceError(
                    f"the process manager did not start; see {self._log_file} {started.stderr}"
                )
            time.sleep(_POLL_SECONDS)

    def quit(self) -> None:
        """Stop every server and then the arbiter itself."""
        if not self.answers():
            return
        self.call("quit", waiting=False)
        deadline = time.monotonic() + _END_SECONDS
        while self.answers():
            if time.monotonic() > deadline:
                raise ServiceError(f"the process manager does not end; see {self._log_file}")
            time.sleep(_POLL_SECONDS)

    @property
    def _endpoint(self) -> str:
        # A Unix socket's path may hold 107 bytes, a workspace's path may be longer.
        key = hashlib.sha256(str(self._workspace.root).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"beholder-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
            raise ServiceError(f"{folder} belongs to somebody else or is open to others; remove it")
        return f"ipc://{folder}/{key}.sock"

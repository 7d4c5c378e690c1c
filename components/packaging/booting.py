"""A Bento booted for a while: on a free loopback port, in a clean environment, ended for sure."""

import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from components.child import supervised
from components.errors import ServiceError
from components.hosts import ask
from components.locking import hold_lock
from components.packaging.server import serve_command, serve_environment

HOST = "127.0.0.1"

# What a server may know of the machine; anything else could make it pass here and fail elsewhere.
_KEPT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH"),
    *("CUDA_VISIBLE_DEVICES", "BEHOLDER_DEVICE", "BEHOLDER_THREADS"),
)
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 10
_REFUSED = "release refused reason="

log = logging.getLogger(__name__)


class NotReadyError(ServiceError):
    """The server lives, but was not ready in time."""


@dataclass(frozen=True)
class Running:
    """A server that is ready."""

    url: str
    start_seconds: float
    process: psutil.Process

    def memory_mb(self) -> float:
        """Return the memory of the whole process tree, shared pages counted once where possible."""
        return sum(_memory(process) for process in _tree(self.process)) / (1 << 20)


@contextmanager
def boot(
    bento: Path,
    *,
    ready_seconds: float,
    python: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Serve a Bento by one worker, yield when it is ready, and end it with all its children.

    `settings` are variables that the server shall see beside its usual ones.

    They end too if this process is killed. Raises ServiceError, with what the server's log says,
    if it refuses its release or dies, NotReadyError if it is not ready in time.
    """
    with (
        tempfile.TemporaryDirectory(prefix="beholder-boot-") as scratch,
        hold_lock(Path(scratch) / "lifeline", wait_seconds=0, what="a booted Bento"),
    ):
        output = Path(scratch) / "server.log"
        port = _free_port()
        environment = {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            **serve_environment(bento, Path(scratch) / "home"),
            # A killed caller takes the server with it; its workers follow by this.
            "BEHOLDER_LIFELINE": str(Path(scratch) / "lifeline"),
            **(settings or {}),
        }
        started = time.monotonic()
        with output.open("wb") as stream:
            child = subprocess.Popen(
                supervised(serve_command(bento, HOST, port, 1, python=python)),
                cwd=bento,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = psutil.Process(child.pid)
        try:
            url = f"http://{HOST}:{port}"
            _await_ready(child, url, started + ready_seconds, output)
            seconds = time.monotonic() - started
            log.info("bento booted bento=%s url=%s seconds=%.1f", bento, url, seconds)
            yield Running(url, seconds, process)
        finally:
            _end(child, process)


def _await_ready(child: subprocess.Popen[bytes], url: str, deadline: float, output: Path) -> None:
    while True:
        status = _ask(f"{url}/readyz")
        if status == httpx.codes.OK:
            return
        if status is not None:
            raise ServiceError(f"the Bento does not answer for its release: {_explain(output)}")
        if child.poll() is not None:
            raise ServiceError(f"the server ended as it started: {_explain(output)}")
        if time.monotonic() > deadline:
            raise NotReadyError(f"the server was not ready in time: {_explain(output)}")
        time.sleep(_POLL_SECONDS)


def _ask(url: str) -> int | None:
    """Return the status, None while nobody answers."""
    try:
        return ask(url, timeout=2).status_code
    except httpx.HTTPError:
        return None


def _explain(output: Path, lines: int = 15) -> str:
    written = output.read_text(errors="replace").splitlines()
    for line in written:
        if _REFUSED in line:
            return line.partition(_REFUSED)[2]
    return "its log ends:\n" + "\n".join(written[-lines:])


def _end(child: subprocess.Popen[bytes], process: psutil.Process) -> None:
    tree = _tree(process)
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(tree, timeout=_GRACE_SECONDS)
    for leftover in alive:
        log.warning("booted process had to be killed pid=%s", leftover.pid)
        _kill(leftover)
    child.wait(timeout=_GRACE_SECONDS)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _memory(process: psutil.Process) -> float:
    try:
        facts = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0.0
    except psutil.AccessDenied:
        return float(process.memory_info().rss)
    return float(getattr(facts, "pss", 0) or facts.rss)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])

"""The servers of one workspace (Prefect, MLflow, the endpoint), kept alive by one circus arbiter.

circus restarts what dies; the arbiter outlives the command that started it and ends with
`beholder down`. A service keeps its port from one start to the next, so that addresses stay
valid across a reboot.
"""

import hashlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from components.child import supervised
from components.errors import ServiceError
from components.files import read_json, write_bytes, write_json
from components.locking import hold_lock
from components.paths import Workspace
from flows.environment import build_environment

_MARK = "BEHOLDER_SERVICE"
_POLL_SECONDS = 0.2
_LOG_BYTES = 16 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """One server: what starts it on (host, port), and the path that answers when it is ready."""

    name: str
    preferred_port: int
    health: str
    ready_seconds: float
    command: Callable[[str, int], list[str]]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class ServiceState:
    """What one service does: `managed` by circus, `healthy` by its own word."""

    name: str
    url: str
    managed: bool
    healthy: bool


class Services:
    """The services of a workspace; every call is safe to repeat."""

    def __init__(self, workspace: Workspace, host: str = "127.0.0.1") -> None:
        self._workspace = workspace
        self._host = host
        self._folder = workspace.run / "services"
        self._ports_file = self._folder / "ports.json"

    # Starting and stopping

    def ensure(self, service: Service, *, restart: bool = False) -> str:
        """Start a service unless it runs already, wait until it answers, and return its address.

        Raises ServiceError with the end of its log if it does not answer in time.
        """
        with hold_lock(self._folder / "services.lock", wait_seconds=120, what="service control"):
            url = self.url(service)
            if not restart and service.name in self._watchers() and _answers(url + service.health):
                return url
            self._start_arbiter()
            self._remove(service.name)
            self._sweep(service.name)
            url = self._choose_address(service)
            started = time.monotonic()
            log.info("service starting name=%s url=%s", service.name, url)
            self._add(service)
            self._await_ready(service, url, started + service.ready_seconds)
            seconds = time.monotonic() - started
            log.info("service ready name=%s url=%s seconds=%.1f", service.name, url, seconds)
            return url

    def stop(self) -> list[str]:
        """Stop every service and the arbiter, leftovers of a killed arbiter included.

        Returns the names of what ran.
        """
        with hold_lock(self._folder / "services.lock", wait_seconds=120, what="service control"):
            names = sorted(self._watchers())
            if names or self._arbiter_answers():
                self._call("quit", waiting=False)
                self._await_arbiter_end()
            return sorted({*names, *self._sweep()})

    def states(self) -> list[ServiceState]:
        """Return what every service that has an address does now."""
        watchers = self._watchers()
        ports: dict[str, dict[str, Any]] = self._read_ports()
        return [
            ServiceState(
                name,
                _address(self._host, entry["port"]),
                name in watchers,
                _answers(_address(self._host, entry["port"]) + entry["health"]),
            )
            for name, entry in sorted(ports.items())
        ]

    def url(self, service: Service) -> str:
        """Return the service's address, as it was or as it would be preferred."""
        entry = self._read_ports().get(service.name)
        return _address(self._host, entry["port"] if entry else service.preferred_port)

    def log_file(self, name: str) -> Path:
        """Return where a service's output goes."""
        return self._folder / f"{name}.log"

    # The arbiter

    @property
    def _endpoint(self) -> str:
        # A Unix socket's path may hold 107 bytes, a workspace's path may be longer.
        key = hashlib.sha256(str(self._workspace.root).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"beholder-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
            raise ServiceError(f"{folder} belongs to somebody else or is open to others; remove it")
        return f"ipc://{folder}/{key}.sock"

    def _start_arbiter(self) -> None:
        if self._arbiter_answers():
            return
        endpoint = self._endpoint
        layout = self._folder / "circus.ini"
        write_bytes(
            layout,
            f"[circus]\nendpoint = {endpoint}\npubsub_endpoint = {endpoint}.events\n"
            f"pidfile = {self._folder / 'circus.pid'}\ncheck_delay = 1\n".encode(),
        )
        (self._folder / "circus.pid").unlink(missing_ok=True)
        with self.log_file("circus").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "circus.circusd", str(layout)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._workspace.root,
                env={**os.environ, **build_environment(self._workspace)},
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while not self._arbiter_answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"the process manager did not start:\n{self._log_end('circus')}")
            time.sleep(_POLL_SECONDS)

    def _arbiter_answers(self) -> bool:
        from circus.exc import CallError

        if not Path(self._endpoint.removeprefix("ipc://")).exists():
            return False
        try:
            self._call("numwatchers", timeout=2)
        except CallError:
            return False
        return True

    def _call(self, command: str, *, timeout: float = 30, **properties: Any) -> dict[str, Any]:
        from circus.client import CircusClient

        client = CircusClient(endpoint=self._endpoint, timeout=timeout)
        try:
            answer: dict[str, Any] = client.call({"command": command, "properties": properties})
        finally:
            client.stop()
        return answer

    def _watchers(self) -> set[str]:
        return set(self._call("list")["watchers"]) if self._arbiter_answers() else set()

    def _add(self, service: Service) -> None:
        port = self._read_ports()[service.name]["port"]
        command = service.command(self._host, port)
        stream = {
            "class": "FileStream",
            "filename": str(self.log_file(service.name)),
            "max_bytes": _LOG_BYTES,
            "backup_count": 2,
        }
        # The parent that the child shall die with is the arbiter, not this process.
        arbiter = (self._folder / "circus.pid").read_text().strip()
        wrapped = supervised(command)
        wrapped[wrapped.index(str(os.getpid()))] = arbiter
        environment = build_environment(
            self._workspace, **service.environment, **{_MARK: service.name}
        )
        answer = self._call(
            "add",
            name=service.name,
            cmd=wrapped[0],
            args=wrapped[1:],
            start=True,
            options={
                "working_dir": str(self._workspace.root),
                "copy_env": True,
                "env": environment,
                "stop_children": True,
                "graceful_timeout": 15,
                "max_retry": 5,
                "stdout_stream": stream,
                "stderr_stream": stream,
            },
        )
        if answer["status"] != "ok":
            raise ServiceError(f"{service.name} could not be started: {answer.get('reason')}")

    def _remove(self, name: str) -> None:
        if name in self._watchers():
            self._call("stop", name=name, waiting=True)
            self._call("rm", name=name, waiting=True)

    def _await_arbiter_end(self) -> None:
        deadline = time.monotonic() + 60
        while self._arbiter_answers():
            if time.monotonic() > deadline:
                raise ServiceError(f"the process manager does not end:\n{self._log_end('circus')}")
            time.sleep(_POLL_SECONDS)

    def _await_ready(self, service: Service, url: str, deadline: float) -> None:
        while not _answers(url + service.health):
            if time.monotonic() > deadline:
                self._remove(service.name)
                raise ServiceError(
                    f"{service.name} did not answer at {url} in {service.ready_seconds:.0f} s; "
                    f"its log {self.log_file(service.name)} ends:\n{self._log_end(service.name)}"
                )
            time.sleep(_POLL_SECONDS)

    def _sweep(self, name: str | None = None) -> set[str]:
        """End processes of this workspace's services that no arbiter looks after any more."""
        found = {}
        for process in psutil.process_iter():
            try:
                marks = process.environ()
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            mark = marks.get(_MARK)
            ours = marks.get("BEHOLDER_WORKSPACE") == str(self._workspace.root)
            if mark and ours and name in (None, mark) and process.pid != os.getpid():
                found[process] = mark
        for process in found:
            _ask_to_end(process)
        _, alive = psutil.wait_procs(list(found), timeout=15)
        for process in alive:
            process.kill()
        return set(found.values())

    # Addresses

    def _read_ports(self) -> dict[str, Any]:
        return dict(read_json(self._ports_file)) if self._ports_file.is_file() else {}

    def _choose_address(self, service: Service) -> str:
        ports = self._read_ports()
        known = ports.get(service.name, {}).get("port", service.preferred_port)
        port = known if _is_free(self._host, known) else _free_port(self._host)
        ports[service.name] = {"port": port, "health": service.health}
        write_json(self._ports_file, ports)
        return _address(self._host, port)

    def _log_end(self, name: str, lines: int = 15) -> str:
        path = self.log_file(name)
        if not path.is_file():
            return "(no output)"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def _address(host: str, port: int) -> str:
    return f"http://{host}:{port}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _ask_to_end(process: psutil.Process) -> None:
    try:
        process.terminate()
    except psutil.NoSuchProcess:
        return

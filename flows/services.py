"""The servers of one workspace (Prefect, MLflow, the endpoint), each kept alive by circus.

A service keeps its port from one start to the next, so that addresses stay valid across a reboot.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from components.child import supervised
from components.errors import ServiceError
from components.files import read_json, write_json
from components.hosts import ask, find_url
from components.locking import hold_lock
from components.paths import Workspace
from flows.arbiter import Arbiter
from flows.environment import build_environment

_MARK = "BEHOLDER_SERVICE"
_POLL_SECONDS = 0.2
_END_SECONDS = 15
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
        self.host = host
        self._folder = workspace.run / "services"
        self._ports_file = self._folder / "ports.json"
        self._wanted_file = self._folder / "wanted.json"
        self._arbiter = Arbiter(workspace, self._folder)

    def ensure(
        self,
        service: Service,
        *,
        port: int | None = None,
        restart: bool = False,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> str:
        """Start a service unless it runs already, wait until it answers, and return its address.

        A `port` that is asked for is taken or refused; otherwise it is the one of the last time.
        `meanwhile` is called once if it has to start, while it does: the address is not certain
        before it answers.
        Raises ServiceError with the end of its log if it does not answer in time.
        """
        with self._hold_control():
            if not restart and self.runs(service, port=port):
                return self.url(service)
            self._begin(service, port)
            meanwhile()
            return self._await_ready(service, port)

    def launch(self, service: Service) -> None:
        """Start a service unless it runs already, and do not wait; `ensure_launched` does.

        Several that take long to start can be launched side by side.
        """
        with self._hold_control():
            if not self.runs(service):
                self._begin(service, None)

    def ensure_launched(self, service: Service) -> str:
        """Wait until a service answers that was launched just now; return its address."""
        with self._hold_control():
            return self._await_ready(service)

    def retire(self, name: str) -> None:
        """Stop a service for good: one that an older Beholder kept."""
        with self._hold_control():
            ports = self._read_ports()
            if name in ports:
                self._remove(name)
                self._sweep(name)
                write_json(self._ports_file, {n: e for n, e in ports.items() if n != name})

    def _begin(self, service: Service, port: int | None) -> None:
        self._arbiter.start()
        self._remove(service.name)
        self._sweep(service.name)
        url = self._choose_address(service, port)
        log.info("service starting name=%s url=%s", service.name, url)
        self._add(service)

    def runs(self, service: Service, *, port: int | None = None) -> bool:
        """Whether a service is kept alive and answers, at the port that is asked for if one is."""
        url = self.url(service)
        is_there = port is None or url == find_url(self.host, port)
        is_managed = service.name in self._arbiter.watchers()
        answers = is_there and is_managed and _answers(url + service.health)
        return answers and self._listens(service.name)

    def want_all(self) -> None:
        """Note that the whole stack shall run, an endpoint too once there is a champion."""
        write_json(self._wanted_file, {"wanted": True})

    @property
    def is_whole(self) -> bool:
        """Whether the whole stack shall run, and its process manager does."""
        return self._wanted_file.is_file() and self._arbiter.answers()

    def stop(self) -> list[str]:
        """Stop every service and the arbiter, leftovers of a killed arbiter included.

        Returns the names of what ran.
        """
        with self._hold_control():
            self._wanted_file.unlink(missing_ok=True)
            names = self._arbiter.watchers()
            self._arbiter.quit()
            return sorted(names | self._sweep())

    def states(self) -> list[ServiceState]:
        """Return what every service that was ever started does now."""
        watchers, held = self._arbiter.watchers(), self._held_ports()
        states = []
        for name, entry in sorted(self._read_ports().items()):
            url = find_url(self.host, entry["port"])
            healthy = entry["port"] in held and _answers(url + entry["health"])
            states.append(ServiceState(name, url, name in watchers, healthy))
        return states

    def url(self, service: Service) -> str:
        """Return the service's address, as it was or as it would be preferred."""
        entry = self._read_ports().get(service.name)
        return find_url(self.host, entry["port"] if entry else service.preferred_port)

    def log_file(self, name: str) -> Path:
        """Return where a service's output goes."""
        return self._folder / f"{name}.log"

    def _hold_control(self) -> AbstractContextManager[None]:
        return hold_lock(self._folder / "services.lock", wait_seconds=180, what="service control")

    def _add(self, service: Service) -> None:
        port = self._port(service.name)
        stream = {
            "class": "FileStream",
            "filename": str(self.log_file(service.name)),
            "max_bytes": _LOG_BYTES,
            "backup_count": 2,
        }
        command = supervised(service.command(self.host, port), parent=self._arbiter.pid)
        environment = build_environment(
            self._workspace, **service.environment, **{_MARK: service.name}
        )
        self._arbiter.call(
            "add",
            name=service.name,
            cmd=command[0],
            args=command[1:],
            start=True,
            options={
                "working_dir": str(self._workspace.root),
                "copy_env": True,
                "env": environment,
                "stop_children": True,
                "graceful_timeout": _END_SECONDS,
                "max_retry": 5,
                "stdout_stream": stream,
                "stderr_stream": stream,
            },
        )

    def _remove(self, name: str) -> None:
        if name in self._arbiter.watchers():
            self._arbiter.call("stop", name=name, waiting=True)
            self._arbiter.call("rm", name=name, waiting=True)

    def _await_ready(self, service: Service, wanted: int | None = None) -> str:
        """Return the address at which a service answers.

        Where another program took its port before it could, that is another one than was planned;
        a `wanted` one is refused.
        """
        url, started = self.url(service), time.monotonic()
        while True:
            if _answers(url + service.health):
                if self._listens(service.name):
                    break
                log.warning("port taken meanwhile name=%s url=%s", service.name, url)
                self._remove(service.name)
                self._begin(service, wanted or _free_port(self.host))
                url = self.url(service)
            if time.monotonic() > started + service.ready_seconds:
                self._remove(service.name)
                path = self.log_file(service.name)
                end = path.read_text(errors="replace").splitlines()[-15:] if path.exists() else []
                raise ServiceError(
                    f"{service.name} did not answer at {url} in {service.ready_seconds:.0f} s; "
                    + "\n".join([f"its log {path} ends:", *end])
                )
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - started
        log.info("service ready name=%s url=%s seconds=%.1f", service.name, url, seconds)
        return url

    def _sweep(self, name: str | None = None) -> set[str]:
        """End processes of this workspace's services that no arbiter looks after any more."""
        found = self._find_processes(name)
        for process in found:
            _ask_to_end(process)
        _, alive = psutil.wait_procs(list(found), timeout=_END_SECONDS)
        for process in alive:
            process.kill()
        return set(found.values())

    def _find_processes(self, name: str | None) -> dict[psutil.Process, str]:
        """Return the processes of a service, of all by default, each with its service's name."""
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
        return found

    def _listens(self, name: str) -> bool:
        """Say whether a process of a service listens at its port, and no other program."""
        return self._port(name) in self._held_ports(name)

    def _held_ports(self, name: str | None = None) -> set[int]:
        """Return the ports at which the processes of a service listen, of all by default."""
        ports = set()
        for process in self._find_processes(name):
            with suppress(psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                for held in process.net_connections("tcp"):
                    if held.status == psutil.CONN_LISTEN:
                        ports.add(held.laddr.port)
        return ports

    def _port(self, name: str) -> int:
        return int(self._read_ports()[name]["port"])

    def _read_ports(self) -> dict[str, Any]:
        return dict(read_json(self._ports_file)) if self._ports_file.is_file() else {}

    def _choose_address(self, service: Service, wanted: int | None) -> str:
        ports = self._read_ports()
        preferred = ports.get(service.name, {}).get("port", service.preferred_port)
        port = choose_port(self.host, wanted, preferred)
        ports[service.name] = {"port": port, "health": service.health}
        write_json(self._ports_file, ports)
        return find_url(self.host, port)


def choose_port(host: str, wanted: int | None, preferred: int) -> int:
    """Return the port that is asked for, else the preferred one, else any that is free.

    Raises ServiceError if the one that is asked for, or the address itself, cannot be had.
    """
    if wanted is not None and not _is_free(host, wanted):
        raise ServiceError(
            f"port {wanted} of {host} cannot be had: another program has it, or the address is "
            "none of this machine; name another"
        )
    return wanted or (preferred if _is_free(host, preferred) else _free_port(host))


def _answers(url: str) -> bool:
    try:
        return ask(url, timeout=2).is_success
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
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise ServiceError(f"{host} is no address of this machine; name another") from error
        return int(probe.getsockname()[1])


def _ask_to_end(process: psutil.Process) -> None:
    try:
        process.terminate()
    except psutil.NoSuchProcess:
        return

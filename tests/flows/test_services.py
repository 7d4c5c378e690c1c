import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from components.errors import ServiceError
from components.hosts import ask
from components.paths import Workspace
from flows.services import Service, Services, choose_port

pytestmark = pytest.mark.integration


def page_server(name: str = "page", preferred_port: int = 18431) -> Service:
    def command(host: str, port: int) -> list[str]:
        return [sys.executable, "-m", "http.server", str(port), "--bind", host]

    return Service(name, preferred_port, "/", 20, command, {"COLOUR": "blue"})


def find_process(workspace: Workspace, name: str = "page") -> psutil.Process:
    for process in psutil.process_iter():
        try:
            marks = process.environ()
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        if marks.get("BEHOLDER_SERVICE") == name and marks["BEHOLDER_WORKSPACE"] == str(
            workspace.root
        ):
            return process
    raise AssertionError(f"no process of service {name}")


def await_page(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            ask(url, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} never answered")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / ".beholder").mkdir()
    return Workspace(tmp_path)


@pytest.fixture
def services(workspace: Workspace) -> Iterator[Services]:
    services = Services(workspace)
    yield services
    services.stop()


def test_service_is_started_once_and_keeps_its_address(
    services: Services, workspace: Workspace
) -> None:
    url = services.ensure(page_server())
    first = find_process(workspace)
    assert first.environ()["COLOUR"] == "blue"
    assert services.ensure(page_server()) == url
    assert find_process(workspace) == first
    assert [(state.name, state.managed, state.healthy) for state in services.states()] == [
        ("page", True, True)
    ]
    assert services.ensure(page_server(), restart=True) == url
    assert find_process(workspace) != first


def late_server(port: int) -> Service:
    """A page server that leaves another program the time to take its port."""

    def command(host: str, port: int) -> list[str]:
        script = (
            f"import runpy, sys, time; time.sleep(1.5); sys.argv = ['', '{port}', '-b', '{host}']; "
            "runpy.run_module('http.server', run_name='__main__')"
        )
        return [sys.executable, "-c", script]

    return replace(page_server(preferred_port=port), command=command)


@contextmanager
def be_quicker(port: int) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), Quicker) as quicker:
        threading.Thread(target=quicker.serve_forever, daemon=True).start()
        yield
        quicker.shutdown()


def test_service_whose_port_another_program_takes_first_answers_elsewhere(
    services: Services,
) -> None:
    port = choose_port("127.0.0.1", None, 18437)
    late, taken = late_server(port), f"http://127.0.0.1:{port}"
    services.launch(late)
    assert services.url(late) == taken
    with be_quicker(port):
        assert not services.runs(late)
        assert not services.states()[0].healthy
        url = services.ensure_launched(late)
        assert url != taken
        assert httpx.get(taken).text == "I was quicker"
        assert "Directory listing" in httpx.get(url).text


def test_run_is_recorded_by_the_workspaces_own_prefect_though_another_has_its_port(
    services: Services, workspace: Workspace
) -> None:
    port = choose_port("127.0.0.1", None, 18439)
    script = (
        "import flows.retraining as retraining\n"
        "from components.paths import Workspace\n"
        "from pathlib import Path\n"
        "from tests.flows.test_services import late_server\n"
        f"retraining.prefect_server = lambda: late_server({port})\n"
        f"print(retraining.connect_prefect(Workspace(Path({str(workspace.root)!r}))))\n"
        "from prefect.settings import PREFECT_API_URL\n"
        "print(PREFECT_API_URL.value())\n"
    )
    started = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    ports = workspace.run / "services/ports.json"
    while started.poll() is None and not ports.is_file():
        time.sleep(0.05)
    with be_quicker(port):
        said, _ = started.communicate(timeout=60)
    url, api = said.split()[-2:]
    assert url != f"http://127.0.0.1:{port}"
    assert api == f"{url}/api"


class Quicker(BaseHTTPRequestHandler):
    """Answers as if it were the service that it is not."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"I was quicker")

    def log_message(self, *arguments: object) -> None:
        pass


def test_what_is_done_while_a_service_starts_is_done_once(services: Services) -> None:
    told: list[str] = []
    url = services.ensure(page_server(), meanwhile=lambda: told.append("it starts"))
    assert services.ensure(page_server(), meanwhile=lambda: told.append("again")) == url
    assert told == ["it starts"]


def test_killed_service_comes_back_by_itself(services: Services, workspace: Workspace) -> None:
    url = services.ensure(page_server())
    first = find_process(workspace)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    await_page(url)
    assert find_process(workspace) != first


def test_taken_port_is_left_to_its_owner(services: Services, tmp_path: Path) -> None:
    other = Services(Workspace(tmp_path / "other"))
    try:
        theirs = other.ensure(page_server())
        ours = services.ensure(page_server())
    finally:
        other.stop()
    assert ours != theirs


def test_services_of_a_killed_arbiter_end_and_can_be_started_again(
    services: Services, workspace: Workspace
) -> None:
    url = services.ensure(page_server())
    first = find_process(workspace)
    os.kill(int((workspace.run / "services/circus.pid").read_text()), signal.SIGKILL)
    first.wait(10)
    assert services.ensure(page_server()) == url


def test_stop_ends_everything_and_says_what_ran(services: Services, workspace: Workspace) -> None:
    services.ensure(page_server())
    process = find_process(workspace)
    assert services.stop() == ["page"]
    assert not process.is_running()
    assert services.stop() == []
    assert not services.states()[0].healthy


def test_service_that_never_answers_is_told_with_the_end_of_its_log(services: Services) -> None:
    def command(host: str, port: int) -> list[str]:
        return [sys.executable, "-c", "print('no such table: users', flush=True)"]

    broken = Service("broken", 18432, "/", 3, command, {})
    with pytest.raises(ServiceError, match=r"(?s)broken did not answer .*no such table: users"):
        services.ensure(broken)


def test_port_that_is_asked_for_is_had_or_refused_and_a_preferred_one_gives_way() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"port {port} of 127.0.0.1 cannot be had"):
            choose_port("127.0.0.1", port, 3000)
        assert choose_port("127.0.0.1", None, port) != port


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServiceError, match=r"192\.0\.2\.1 is no address of this machine"):
        choose_port("192.0.2.1", None, 3000)

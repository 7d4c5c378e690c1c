import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.monitoring.snapshot import keep
from components.paths import Workspace
from flows.status import ask_worker
from flows.worker_http import Answer, Request, serve_http
from flows.worker_pages import Pulse, make_pages
from tests.monitoring.making import look


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def beaten() -> list[float]:
    return [0.0]


@pytest.fixture
def elsewhere() -> list[str]:
    return []


@pytest.fixture
def url(place: Workspace, beaten: list[float], elsewhere: list[str]) -> Iterator[str]:
    import time

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pulse = Pulse(lambda: time.monotonic() - beaten[0])

    def repeat(request: Request) -> Answer:
        if request.body == b"fail":
            raise RuntimeError("out of tune")
        return Answer(200, request.headers["x-name"].encode() + request.body)

    pages = make_pages(place, "http://form", [pulse], lambda: "; ".join(elsewhere))
    server = serve_http("127.0.0.1", port, pages, {"/hook": repeat})
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    server.server_close()


def test_worker_is_healthy_while_the_servers_are_heard_of(url: str, beaten: list[float]):
    assert httpx.get(f"{url}/health").status_code == 200
    assert "beholder_worker_up 1" in httpx.get(f"{url}/metrics").text
    beaten[0] = 61
    assert httpx.get(f"{url}/health").status_code == 503
    assert "beholder_worker_up 0" in httpx.get(f"{url}/metrics").text


def test_healthy_worker_says_what_work_pools_run_and_status_repeats_it(
    url: str, elsewhere: list[str]
):
    assert httpx.get(f"{url}/health").text == "ok\n"
    assert ask_worker(url) == ""
    elsewhere.append("retrain is run by the work pool 'gpu'")
    assert httpx.get(f"{url}/health").text == "ok\nretrain is run by the work pool 'gpu'\n"
    assert ask_worker(url) == "retrain is run by the work pool 'gpu'"


def test_monitor_page_and_gauges_are_shown_as_the_last_look_left_them(url: str, place: Workspace):
    assert httpx.get(f"{url}/monitor").status_code == 404
    place.monitor.mkdir(parents=True)
    (place.monitor / "monitor.html").write_text("<p>looked</p>")
    keep(place, look(), 9)
    assert httpx.get(f"{url}/monitor").text == "<p>looked</p>"
    assert "beholder_online_rmse" in httpx.get(f"{url}/metrics").text


def test_any_other_address_leads_to_the_form(url: str):
    answer = httpx.get(f"{url}/anything")
    assert (answer.status_code, answer.headers["location"]) == (302, "http://form")


def test_hook_gets_headers_and_body_and_its_failure_is_its_own(url: str):
    answer = httpx.post(f"{url}/hook", content=b" said", headers={"X-Name": "Anna"})
    assert answer.text == "Anna said"
    assert httpx.post(f"{url}/hook", content=b"fail").status_code == 500
    assert httpx.get(f"{url}/health").status_code == 200


def test_body_that_is_too_long_or_goes_nowhere_is_refused(url: str):
    assert httpx.post(f"{url}/nowhere", content=b"").status_code == 404
    assert httpx.post(f"{url}/hook", content=b"0" * ((1 << 20) + 1)).status_code == 413
    chunks = iter([b"no", b"length"])
    assert httpx.post(f"{url}/hook", content=chunks).status_code == 413

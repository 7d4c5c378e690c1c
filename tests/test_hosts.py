"""Addresses of this machine, and servers of its own behind them."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from components.hosts import ask, find_url, is_local


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401 if self.headers.get("Authorization") is None else 200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "/run/a.sock"])
def test_loopback_is_reached_by_this_machine_only(host: str):
    assert is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "", "::ffff:8.8.8.8"])
def test_other_hosts_are_reached_by_others(host: str):
    assert not is_local(host)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_server_on_all_addresses_is_reached_by_loopback(host: str, url: str):
    assert find_url(host, 80) == url


def test_server_is_asked_past_a_proxy_and_with_the_password_that_is_given(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with HTTPServer(("127.0.0.1", 0), Greeter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/health"
        assert ask(url, timeout=20).status_code == 401
        assert ask(url, timeout=20, auth=("ada", "lovelace")).is_success
        server.shutdown()
    with pytest.raises(httpx.HTTPError):
        ask(url, timeout=20)

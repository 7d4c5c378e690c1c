"""What the worker answers over HTTP: its health, gauges, the monitor's page, MLflow's webhooks."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MAX_BODY = 1 << 20
_PATIENCE_SECONDS = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """One answer of the worker."""

    status: int
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    location: str | None = None


@dataclass(frozen=True)
class Request:
    """What was sent; the names of `headers` are in lower case."""

    headers: Mapping[str, str]
    body: bytes


Handle = Callable[[Request], Answer]


def serve_http(
    host: str,
    port: int,
    pages: Mapping[str, Callable[[], Answer]],
    hooks: Mapping[str, Handle],
) -> ThreadingHTTPServer:
    """Answer GET by `pages` and POST by `hooks`, each by its path, until the process ends.

    The page at `*` answers every other GET.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE_SECONDS
        server_version, sys_version = "beholder", ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            self._answer(pages.get(path, pages["*"]))

        def do_POST(self) -> None:
            hook = hooks.get(self.path.partition("?")[0])
            length = self.headers.get("Content-Length", "")
            if hook is None:
                self._send(Answer(404, b"nobody listens at this path\n"))
            elif not length.isdigit() or int(length) > _MAX_BODY:
                self._send(Answer(413, f"at most {_MAX_BODY:,} bytes, told beforehand\n".encode()))
            else:
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(headers, self.rfile.read(int(length)))
                self._answer(lambda: hook(request))

        def _answer(self, make: Callable[[], Answer]) -> None:
            try:
                answer = make()
            except Exception:  # one request must not take the others with it
                log.exception("request failed path=%s", self.path)
                answer = Answer(500, b"see the worker's log\n")
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            if answer.location is not None:
                self.send_header("Location", answer.location)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            del format, arguments

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server

"""A receiver of webhooks on loopback, which keeps what it was told."""

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0pS3cretPath"
_PATIENCE_SECONDS = 60


class Ear:
    """Listens until it is closed; everything at another path than the secret one is refused."""

    def __init__(self) -> None:
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_known = self.path == f"/{SECRET}"
                if is_known:
                    ear.heard.put(json.loads(body))
                self.send_response(200 if is_known else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/{SECRET}"

    def listen(self) -> dict[str, Any]:
        """Wait for what is told next."""
        return self.heard.get(timeout=_PATIENCE_SECONDS)

    def close(self) -> None:
        """Listen no more: who calls is refused."""
        self._server.shutdown()
        self._server.server_close()

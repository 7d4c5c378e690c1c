"""`python -m flows.review_service HOST PORT`: decisions from Prefect's form and MLflow's tags.

It serves the flow `promote` as a deployment of this workspace, and starts it for each tag that a
person sets on a version. It decides nothing itself.
"""

import asyncio
import hashlib
import logging
import os
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import httpx
from prefect.exceptions import PrefectException
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL
from prefect.types.entrypoint import EntrypointType

from components.errors import BeholderError
from components.paths import Workspace, find_workspace
from flows.promote_flow import promote
from flows.tag_watch import TagWatch

_POLL_SECONDS = 3.0
# So long the servers may be silent before this service says that it is out of order.
_PATIENCE_SECONDS = 60.0

log = logging.getLogger(__name__)


def name_deployment(workspace: Workspace) -> str:
    """Return the deployment's name: workspaces of one name may share a Prefect server."""
    place = f"{socket.gethostname()}:{workspace.root}"
    return f"{workspace.root.name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


class Pulse:
    """When the watch last got through to both servers."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        """Say that all is well."""
        self._last = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """Whether that was lately."""
        return time.monotonic() - self._last < _PATIENCE_SECONDS


def follow_tags(watch: TagWatch, pulse: Pulse) -> None:
    """Look at the tags for ever; a server that does not answer is asked again."""
    while True:
        try:
            watch.look_once()
            pulse.beat()
        except (BeholderError, PrefectException, httpx.HTTPError) as error:
            log.warning("tags not looked at why=%s", error)
        time.sleep(_POLL_SECONDS)


def serve_health(host: str, port: int, form: str, is_well: "partial[bool]") -> None:
    """Answer at /health, and lead whoever opens the address in a browser to the form."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self.send_response(200 if is_well() else 503)
            else:
                self.send_response(302)
                self.send_header("Location", form)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            del format, arguments

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()


async def serve(workspace: Workspace, host: str, port: int) -> None:
    """Serve until SIGTERM."""
    runner = Runner(name="review", limit=1, query_seconds=_POLL_SECONDS, pause_on_shutdown=False)
    deployment = await runner.aadd_deployment(
        await promote.ato_deployment(
            name_deployment(workspace),
            parameters={"workspace": str(workspace.root)},
            tags=["beholder"],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
    )
    pulse = Pulse()
    watch = TagWatch(workspace, deployment)
    threading.Thread(target=follow_tags, args=(watch, pulse), name="tags", daemon=True).start()
    serve_health(host, port, find_form(deployment), partial(_is_well, runner, pulse))
    await runner.start()


def find_form(deployment: UUID) -> str:
    """Return the address of the form in Prefect's UI."""
    ui = PREFECT_UI_URL.value() or (PREFECT_API_URL.value() or "").removesuffix("/api")
    return f"{ui}/deployments/deployment/{deployment}/run"


def _is_well(runner: Runner, pulse: Pulse) -> bool:
    polled = runner.last_polled
    silent = _PATIENCE_SECONDS if polled is None else (datetime.now(UTC) - polled).total_seconds()
    return pulse.is_alive and silent < _PATIENCE_SECONDS


def main() -> None:
    """Serve the workspace that BEHOLDER_WORKSPACE names."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    for name in ("flows", "components"):
        logging.getLogger(name).setLevel(logging.INFO)
    host, port = sys.argv[1], int(sys.argv[2])
    workspace = find_workspace(Path(os.environ["BEHOLDER_WORKSPACE"]))
    asyncio.run(serve(workspace, host, port))


if __name__ == "__main__":
    main()

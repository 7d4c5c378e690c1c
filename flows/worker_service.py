"""`python -m flows.worker_service HOST PORT`: runs this workspace's deployments.

One process with a Prefect runner, a watch of the tags that people set in MLflow, and a small HTTP
server. It decides nothing itself.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

from components.errors import BeholderError
from components.paths import Workspace, find_workspace
from flows.deployments import make_deployment, plan_deployments
from flows.tag_watch import TagWatch
from flows.worker_http import serve_http
from flows.worker_pages import Pulse, make_pages

_POLL_SECONDS = 3.0
_RUNS_AT_ONCE = 4

log = logging.getLogger(__name__)


def watch(what: str, look: Callable[[], None], pulse: Pulse, seconds: float) -> None:
    """Look for ever in a thread of its own; a server that does not answer is asked again."""

    def follow() -> None:
        while True:
            try:
                look()
                pulse.beat()
            except (BeholderError, PrefectException, httpx.HTTPError) as error:
                log.warning("not looked at what=%s why=%s", what, error)
            time.sleep(seconds)

    threading.Thread(target=follow, name=what, daemon=True).start()


async def serve(workspace: Workspace, host: str, port: int) -> None:
    """Serve until SIGTERM."""
    await await_prefect()
    runner = Runner(
        name="beholder",
        limit=_RUNS_AT_ONCE,
        query_seconds=_POLL_SECONDS,
        pause_on_shutdown=False,
    )
    served: dict[str, UUID] = {}
    for plan in plan_deployments(workspace):
        served[plan.full_name.partition("/")[0]] = await runner.aadd_deployment(
            await make_deployment(plan)
        )
        log.info("deployment served name=%s", plan.full_name)
    tags = Pulse()
    watch("tags", TagWatch(workspace, served["promote"]).look_once, tags, _POLL_SECONDS)
    form = find_form(served["promote"])
    pages = make_pages(workspace, form, [tags, runner_pulse(runner)])
    serve_http(host, port, pages, hooks={})
    await runner.start()


async def await_prefect() -> None:
    """Wait until the Prefect server answers: it may be starting, or starting again."""
    said = False
    while True:
        async with get_client() as client:
            failure = await client.api_healthcheck()
        if failure is None:
            return
        if not said:
            log.warning("waiting for Prefect address=%s why=%s", PREFECT_API_URL.value(), failure)
            said = True
        await asyncio.sleep(_POLL_SECONDS)


def runner_pulse(runner: Runner) -> Pulse:
    """Return when the runner last heard of Prefect which runs are due."""

    def last() -> float:
        polled = runner.last_polled
        return time.monotonic() - (
            float("inf") if polled is None else (datetime.now(UTC) - polled).total_seconds()
        )

    return Pulse(last)


def find_form(deployment: UUID) -> str:
    """Return the address of a deployment's form in Prefect's UI."""
    ui = PREFECT_UI_URL.value() or (PREFECT_API_URL.value() or "").removesuffix("/api")
    return f"{ui}/deployments/deployment/{deployment}/run"


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

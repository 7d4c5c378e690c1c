"""`python -m flows.worker_service HOST PORT`: runs this workspace's deployments.

One process with a Prefect runner for the deployments that no work pool runs, a watch of the tags
that people set in MLflow, and a small HTTP server. It decides nothing itself.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL

from components.errors import BeholderError
from components.hosts import find_url
from components.paths import Workspace, find_workspace
from components.promotion.store import Store
from components.promotion.webhooks import ensure_webhook
from components.settings import load_settings
from flows.credentials import ensure_credentials
from flows.mlflow_bridge import PATH, make_hook, watch_retrain_tags
from flows.notice_watch import NoticeWatch
from flows.notices import find_ui
from flows.reconciling import reconcile
from flows.tag_watch import TagWatch
from flows.tracking import store_address
from flows.watching import watch_data, watch_feedback
from flows.worker_http import serve_http
from flows.worker_pages import Pulse, make_pages
from flows.worker_runs import Runs, quiet_polls

_POLL_SECONDS = 3.0
_LOOK_SECONDS = 10.0
_RECONCILE_SECONDS = 30.0

log = logging.getLogger(__name__)


def watch(what: str, look: Callable[[], None], pulse: Pulse, seconds: float) -> None:
    """Look for ever in a thread of its own; a server that does not answer is asked again."""

    def follow() -> None:
        said = ""
        while True:
            try:
                look()
                pulse.beat()
                said = ""
            except (BeholderError, PrefectException, httpx.HTTPError) as error:
                if said != str(error):  # once, for it may be so for hours
                    log.warning("not looked at what=%s why=%s", what, error)
                said = str(error)
            except Exception:  # a bug in one look must not end all later ones in silence
                log.exception("look failed what=%s", what)
            time.sleep(seconds)

    threading.Thread(target=follow, name=what, daemon=True).start()


async def serve(workspace: Workspace, host: str, port: int) -> None:
    """Serve until SIGTERM."""
    await await_prefect()
    runs = Runs(workspace)
    await runs.settle()
    promote = runs.deployments["promote"]
    secret = ensure_credentials(workspace).webhook_secret
    hooks = {PATH: make_hook(workspace, secret, load_settings().model_name)}
    pulse = Pulse()
    tags = TagWatch(workspace, promote)
    watch("tags", lambda: look_at_tags(workspace, tags), pulse, _POLL_SECONDS)
    watch("data", lambda: look_for_news(workspace), Pulse(), _LOOK_SECONDS)
    watch("runs", lambda: reconcile(workspace), Pulse(), _RECONCILE_SECONDS)
    watch("notices", NoticeWatch(workspace).look_once, Pulse(), _RECONCILE_SECONDS)
    pulses = [pulse, *runs.pulses()]
    pages = make_pages(workspace, find_form(promote), pulses, lambda: runs.elsewhere)
    serve_http(host, port, pages, hooks)
    register_webhook(workspace, find_url(host, port) + PATH, secret)
    await runs.follow()


def look_at_tags(workspace: Workspace, tags: TagWatch) -> None:
    """Take what people wrote on versions a step further."""
    tags.look_once()
    watch_retrain_tags(workspace)


def look_for_news(workspace: Workspace) -> None:
    """Ask for a retraining where data or feedback are new."""
    watch_data(workspace)
    watch_feedback(workspace)


def register_webhook(workspace: Workspace, url: str, secret: str) -> None:
    """Let the workspace's own MLflow server tell this worker of tags; another is left alone."""
    if load_settings().mlflow_tracking_uri is not None:
        return
    os.environ["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"] = ensure_credentials(workspace).webhook_key
    os.environ["MLFLOW_WEBHOOK_ALLOWED_SCHEMES"] = "http,https"
    os.environ["MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS"] = "true"
    ensure_webhook(Store(store_address(workspace, load_settings())), url, secret)


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


def find_form(deployment: UUID) -> str:
    """Return the address of a deployment's form in Prefect's UI."""
    return f"{find_ui()}/deployments/deployment/{deployment}/run"


def main() -> None:
    """Serve the workspace that BEHOLDER_WORKSPACE names."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    for name in ("flows", "components", "__main__"):
        logging.getLogger(name).setLevel(logging.INFO)
    quiet_polls()
    host, port = sys.argv[1], int(sys.argv[2])
    workspace = find_workspace(Path(os.environ["BEHOLDER_WORKSPACE"]))
    asyncio.run(serve(workspace, host, port))


if __name__ == "__main__":
    main()

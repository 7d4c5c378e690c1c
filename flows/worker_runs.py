"""Running the deployments that no work pool runs, by a Prefect runner in the worker's process.

Who runs a deployment is what Prefect says of it, asked every few seconds.
"""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import httpx
import psutil
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runner import Runner

from components.errors import BeholderError
from components.params import load_params
from components.paths import Workspace
from flows.deployments import Plan, Pool, make_deployment, plan_deployments
from flows.pools import read_pools, say_who_runs, write_prefect_yaml
from flows.worker_pages import Pulse

_POLL_SECONDS = 3.0
_RUNS_AT_ONCE = 4
_FULL = "scheduled runs skipped (at capacity)"

log = logging.getLogger(__name__)


def quiet_polls() -> None:
    """Drop the line that a Prefect runner logs at every look while runs wait for others to end."""
    logging.getLogger("prefect.runner").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).endswith(_FULL)


class Runs:
    """The deployments of a workspace, registered as params.yaml says, and run where no pool does.

    A deployment that joins or leaves a work pool is handed over once nothing is at work here. Until
    then both sides look for its runs, and Prefect gives each run to one of them.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._registered: dict[str, Plan] = {}
        self.here: frozenset[str] | None = None
        self._runner: Runner | None = None
        self._running: asyncio.Task[None] | None = None
        self._looked = Pulse()
        self.deployments: dict[str, UUID] = {}
        self.elsewhere = ""

    async def settle(self) -> None:
        """Bring what is registered, and what is run here, in line with params.yaml and Prefect."""
        plans = plan_deployments(self._workspace, load_params(self._workspace.params))
        pools = await asyncio.to_thread(_ask_for_pools, plans)
        here = frozenset(name for name, pool in pools.items() if pool is None)
        if here != self.here and not (self._runner is not None and _has_runs()):
            await self._take(here)
        for plan in plans:
            if self._registered.get(plan.full_name) != plan:
                await self._register(plan, pools[plan.full_name])
        if any(pools.values()) and self._workspace.prefect_yaml.exists():
            write_prefect_yaml(self._workspace, plans, pools)
        if self._runner is not None and self._running is None:
            self._running = asyncio.create_task(self._runner.start())
        self.elsewhere = say_who_runs(pools)
        self._looked.beat()

    async def _take(self, here: frozenset[str]) -> None:
        """Let go of the runner that there is, at which nothing is at work, and make another."""
        await self.close()
        if here:
            self._runner = Runner(
                name="beholder",
                limit=_RUNS_AT_ONCE,
                query_seconds=_POLL_SECONDS,
                pause_on_shutdown=False,
            )
        self.here = here
        self._registered = {n: plan for n, plan in self._registered.items() if n not in here}

    async def close(self) -> None:
        """Run nothing here any more; what is at work is killed."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        self._running = self._runner = None

    async def _register(self, plan: Plan, pool: Pool | None) -> None:
        made = await make_deployment(self._workspace, plan, pool)
        flow = plan.full_name.partition("/")[0]
        if self._runner is not None and plan.full_name in (self.here or ()):
            self.deployments[flow] = await self._runner.aadd_deployment(made)
        else:
            self.deployments[flow] = await made.aapply()
        self._registered[plan.full_name] = plan
        where = "here" if pool is None else f"pool {pool.name}"
        log.info("deployment registered name=%s runs=%s", plan.full_name, where)

    async def follow(self) -> None:
        """Settle every few seconds, until the runner ends."""
        said = ""
        while self._running is None or not self._running.done():
            await asyncio.sleep(_POLL_SECONDS)
            try:
                await self.settle()
                said = ""
            except (BeholderError, PrefectException, httpx.HTTPError) as error:
                if said != str(error):
                    log.warning("deployments not followed why=%s", error)
                said = str(error)
        await self._running

    def pulses(self) -> list[Pulse]:
        """Return when Prefect was last heard of."""
        return [self._looked, Pulse(self._last_polled)]

    def _last_polled(self) -> float:
        if self._runner is None:
            return time.monotonic()
        polled = self._runner.last_polled
        return time.monotonic() - (
            float("inf") if polled is None else (datetime.now(UTC) - polled).total_seconds()
        )


def _ask_for_pools(plans: tuple[Plan, ...]) -> dict[str, Pool | None]:
    with get_client(sync_client=True) as client:
        return read_pools(client, plans)


def _has_runs() -> bool:
    """Say whether a flow run is at work in a child of this process."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "prefect.engine" in child.cmdline():
                return True
    return False

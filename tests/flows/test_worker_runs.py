"""The runner in the worker's process, without a server."""

import logging
from collections.abc import Iterator
from uuid import uuid4

import pytest

from flows.worker_runs import quiet_polls


@pytest.fixture
def runner_log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("prefect.runner")
    before = list(logger.filters)
    quiet_polls()
    yield logger
    logger.filters[:] = before


async def skip(count: int) -> None:
    """Let Prefect's own poller find runs for which it has no slot."""
    import anyio
    from prefect.client.schemas.objects import FlowRun
    from prefect.runner._limit_manager import LimitManager
    from prefect.runner._scheduled_run_poller import ScheduledRunPoller

    absent = dict.fromkeys(
        (
            *("client", "deployment_registry", "resolve_starter", "process_manager"),
            *("state_proposer", "hook_runner", "cancellation_manager", "get_attempt_conclusion"),
        )
    )
    async with LimitManager(limit=1) as limits, anyio.create_task_group() as group:
        limits.acquire()
        poller = ScheduledRunPoller(
            query_seconds=1,
            prefetch_seconds=1,
            limit_manager=limits,
            runs_task_group=group,
            storage_objs=[],
            **absent,
        )
        runs = [FlowRun(flow_id=uuid4()) for _ in range(count)]
        await poller._submit_scheduled_flow_runs(runs, group)


def test_runs_that_wait_for_others_are_no_news_at_every_look(
    runner_log: logging.Logger, caplog: pytest.LogCaptureFixture
):
    import anyio

    with caplog.at_level(logging.INFO, logger=runner_log.name):
        runner_log.addHandler(caplog.handler)
        anyio.run(skip, 2)
        runner_log.info("Runner %r started", "beholder")
        runner_log.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {"Runner 'beholder' started"}

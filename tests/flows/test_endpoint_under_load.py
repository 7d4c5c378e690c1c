"""What people ask while the endpoint is changed, killed and watched for long: `make torture`."""

import os
import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from sqlalchemy import select

from components.feedback.tables import LAYOUT, events
from components.packaging.pointer import read_reports
from components.paths import Workspace
from components.settings import load_settings
from components.sqlite import open_engine
from flows.deploying import BACKGROUND, endpoint_folder
from flows.endpoint import deploy, redeploy
from flows.releases import open_registry
from tests.flows.callers import Caller, Teller, await_answer

pytestmark = [pytest.mark.integration, pytest.mark.torture, pytest.mark.timeout(1800)]

DEPLOYMENTS = 20
KILLS = 12
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))


def workers(workspace: Workspace) -> list[int]:
    return [report.pid for report in read_reports(endpoint_folder(workspace, BACKGROUND))]


def test_twenty_deployments_and_rollbacks_under_load_fail_no_request(
    shop: Workspace, calls: Callable[..., Caller]
):
    _, url = deploy(shop)
    callers = [calls(url, pause) for pause in (0.01, 0.02, 0.02, 0.05)]
    registry = open_registry(shop)
    for turn in range(DEPLOYMENTS):
        new, old = registry.version(2 - turn % 2), registry.version(1 + turn % 2)
        if turn == 0:
            registry.promote(new, old)
        else:  # whoever was gone back from comes back in no other way
            registry.roll_back(new, old, reason="a test")
        assert redeploy(shop).refusal is None
        begun = [len(caller.versions) for caller in callers]
        for caller in callers:
            await_answer(caller, str(new.number))
        for caller, count in zip(callers, begun, strict=True):
            # Who had asked before the deployment ended may have been answered by either.
            assert set(caller.versions[count + 1 :]) == {str(new.number)}
    assert [caller.failures for caller in callers] == [[]] * len(callers)
    print(f"{sum(len(caller.versions) for caller in callers):,} answers, none failed")


def test_worker_killed_in_use_fails_no_more_than_what_it_was_answering(
    shop: Workspace, calls: Callable[..., Caller]
):
    _, url = deploy(shop)
    callers = [calls(url) for _ in range(8)]
    for caller in callers:
        await_answer(caller, "1")
    for _ in range(3):
        before = sum(len(caller.failures) for caller in callers)
        killed = workers(shop)[0]
        psutil.Process(killed).kill()
        await_workers(shop, without=killed)
        for caller in callers:
            await_answer(caller, "1")
        failed = sum(len(caller.failures) for caller in callers) - before
        # Each asks one thing at a time; a connection that was idle is opened again.
        assert failed <= len(callers)
        print(f"{failed} failed of {len(callers)} in flight")


def test_no_acknowledged_feedback_is_lost_over_twelve_kills_of_everything(shop: Workspace):
    _, url = deploy(shop)
    ended = threading.Event()
    tellers = [Teller(url, f"teller{number}") for number in range(4)]
    threads = [threading.Thread(target=teller.tell, args=(ended,)) for teller in tellers]
    for thread in threads:
        thread.start()
    try:
        for round_ in range(KILLS):
            await_growth(tellers, 20 * len(tellers))
            kill_everything(shop, with_manager=round_ % 3 == 2)
            assert deploy(shop, restart="if needed")[1] == url
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    acknowledged = set().union(*(teller.acknowledged for teller in tellers))
    engine = open_engine(f"sqlite:///{shop.feedback}", LAYOUT)
    with engine.connect() as connection:
        stored = connection.execute(select(events.c.event_id)).scalars().all()
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    engine.dispose()
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored)
    refused = sum(teller.refusals for teller in tellers)
    print(f"{len(acknowledged):,} acknowledged over {KILLS} kills, {refused} sent again, none lost")


def test_memory_stays_flat_over_a_soak(shop: Workspace):
    _, url = deploy(shop)
    ended = threading.Event()
    threads = [threading.Thread(target=use, args=(url, number, ended)) for number in range(3)]
    for thread in threads:
        thread.start()
    times, sizes = [], []
    try:
        assert not ended.wait(min(60.0, SOAK_SECONDS / 4))  # what is cached is cached by then
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < SOAK_SECONDS:
            times.append(now)
            sizes.append(sum(psutil.Process(pid).memory_info().rss for pid in workers(shop)))
            ended.wait(5.0)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    slope = float(np.polyfit(times, sizes, 1)[0]) * SOAK_SECONDS / float(np.mean(sizes))
    print(f"{np.mean(sizes) / 1e6:.0f} MB, {slope:+.2%} over {SOAK_SECONDS:.0f} s")
    assert slope < 0.05


def use(url: str, number: int, ended: threading.Event) -> None:
    """Ask for all that there is, over and over."""
    draw = np.random.default_rng(number)
    with httpx.Client(base_url=url, timeout=60) as client:
        for turn in range(1_000_000):
            if ended.wait(0.01):
                return
            user = f"u{draw.integers(2000)}"
            rated: dict[str, Any] = {
                "event_id": f"{number}.{turn}",
                "user_id": user,
                "item_id": f"i{turn % 12}",
                "kind": "rating",
                "value": float(draw.integers(1, 6)),
            }
            client.post("/recommend", json={"user_id": user, "k": 5}).raise_for_status()
            client.post("/similar", json={"item_id": "i1"}).raise_for_status()
            client.post("/feedback", json={"events": [rated]}).raise_for_status()
            client.post("/recommend", json={"k": 100_000})
            client.get(f"/items/i{turn % 12}").raise_for_status()
            if turn % 10 == 0:
                picture = {"image": paint(draw)}
                client.post("/recommend_by_image", files=picture).raise_for_status()
                client.get("/metrics").raise_for_status()


def paint(draw: np.random.Generator) -> bytes:
    buffer = BytesIO()
    side = int(draw.integers(32, 400))
    Image.fromarray(draw.integers(0, 255, (side, side, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def await_workers(workspace: Workspace, without: int) -> None:
    wanted, deadline = load_settings().endpoint_workers, time.monotonic() + 60
    while len(now := workers(workspace)) < wanted or without in now:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def await_growth(tellers: list[Teller], enough: int) -> None:
    def count() -> int:
        return sum(len(teller.acknowledged) for teller in tellers)

    begun, deadline = count(), time.monotonic() + 120
    while count() < begun + enough:
        assert time.monotonic() < deadline, "nothing is acknowledged any more"
        time.sleep(0.01)


def kill_everything(workspace: Workspace, *, with_manager: bool) -> None:
    """Kill the endpoint with all its workers, and what keeps it alive where that is asked for."""
    worker = psutil.Process(workers(workspace)[0])
    master = worker.parents()[0]
    doomed = [*master.children(recursive=True), master]
    if with_manager:
        manager = master.parents()[0]
        doomed = [manager, *manager.children(recursive=True)]
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(doomed, timeout=30)

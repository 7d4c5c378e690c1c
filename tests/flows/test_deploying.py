"""A release that takes another's place in a running endpoint: real workers, real requests."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from components.errors import ConflictError
from components.packaging.pointer import read_reports
from components.packaging.release import read_release, write_release
from components.paths import Workspace
from components.promotion.registry import Version
from flows.deploying import BACKGROUND, abandon, endpoint_folder, find_live, rehearse
from flows.endpoint import deploy, redeploy
from flows.releases import fetch_bento, open_registry
from tests.flows.callers import Caller, await_answer

pytestmark = pytest.mark.integration

WORKERS = 2


def version(workspace: Workspace, number: int) -> Version:
    return open_registry(workspace).version(number)


def workers(workspace: Workspace) -> list[int]:
    return [report.pid for report in read_reports(endpoint_folder(workspace, BACKGROUND))]


def test_champion_takes_over_without_a_failed_request_and_a_bad_one_never_does(
    shop: Workspace, calls: Callable[[str], Caller]
):
    _, url = deploy(shop)
    processes = workers(shop)
    assert len(processes) == WORKERS
    caller = calls(url)

    # Rehearsed, it stands by and answers nobody; swapped, it answers everybody.
    rehearsal = rehearse(shop, version(shop, 2))
    assert rehearsal is not None
    assert rehearsal.passed
    assert len(rehearsal.reports) == WORKERS
    assert all(report.questions > 0 for report in rehearsal.reports)
    await_answer(caller, "1")
    assert set(caller.versions) == {"1"}
    open_registry(shop).promote(version(shop, 2), version(shop, 1))
    assert redeploy(shop).url == url
    count = len(caller.versions)
    await_answer(caller, "2")
    assert set(caller.versions[count + 1 :]) == {"2"}
    assert workers(shop) == processes
    told = open_registry(shop).ledger.read().entries[-1]
    assert (told.kind, told.version) == ("deployed", 2)

    # One that does not answer as its trainer did is refused by every worker; all stay.
    refused = rehearse(shop, version(shop, 3))
    assert refused is not None
    assert "golden questions: ratings of pairs lie 0.01" in refused.reasons[0]
    assert [live.pointer.standby for live in find_live(shop)] == [None]
    open_registry(shop).promote(version(shop, 3), version(shop, 2))
    assert "stays as it is: golden questions" in str(redeploy(shop).refusal)
    open_registry(shop).roll_back(version(shop, 2), version(shop, 3), reason="a test")
    assert redeploy(shop).refusal is None
    assert caller.failures == []


def test_where_no_endpoint_runs_there_is_nothing_to_rehearse_or_to_deploy(shop: Workspace):
    assert rehearse(shop, version(shop, 1)) is None
    abandon(shop)
    deployed = redeploy(shop)
    assert (deployed.url, deployed.refusal) == (None, None)
    gone: Path = endpoint_folder(shop, "4194999")  # beyond the greatest process id
    gone.mkdir(parents=True)
    assert find_live(shop) == []
    assert not gone.exists()


@pytest.mark.torture
def test_worker_that_dies_comes_back_with_the_release_of_now_and_other_code_needs_a_restart(
    shop: Workspace,
):
    _, url = deploy(shop)
    open_registry(shop).promote(version(shop, 2), version(shop, 1))
    redeploy(shop)
    processes = workers(shop)
    psutil.Process(processes[0]).kill()
    deadline = time.monotonic() + 60
    while len(workers(shop)) < WORKERS or processes[0] in workers(shop):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    content = read_release(fetch_bento(shop, version(shop, 2))).content
    folder = endpoint_folder(shop, BACKGROUND)
    assert {report.active for report in read_reports(folder)} == {content}

    # Other code cannot be swapped in: the command is named, and only that starts it anew.
    bento = fetch_bento(shop, version(shop, 1))
    write_release(bento, replace(read_release(bento), runtime="0" * 64))
    open_registry(shop).roll_back(version(shop, 1), version(shop, 2), reason="a test")
    assert rehearse(shop, version(shop, 1)) is None
    with pytest.raises(ConflictError, match="beholder serve --restart"):
        deploy(shop)
    before = workers(shop)
    assert deploy(shop, restart="if needed")[1] == url
    assert not set(workers(shop)) & set(before)
    assert httpx.get(f"{url}/model", timeout=30).json()["model"]["version"] == "1"

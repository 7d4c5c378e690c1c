"""The whole stack as a person starts it: it retrains by itself, and outlives kills and storms."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from components.data.demo import Demo, draw_demo
from components.files import read_parquet
from components.locking import hold_lock
from components.paths import Workspace
from tests.end_to_end.place import BEHOLDER, Place

pytestmark = [pytest.mark.torture, pytest.mark.end_to_end, pytest.mark.timeout(3600)]

_PATIENCE = 900


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A fresh workspace with its stack up, and a champion that came with the first data."""
    folder = tmp_path_factory.mktemp("stack")
    drawn = draw_demo(folder / "drawn", seed=3, items=90, users=60, ratings=2600)
    Place(Workspace(folder), drawn).execute(BEHOLDER, "init", str(folder / "shop"))
    place = Place(Workspace(folder / "shop"), drawn, patience=_PATIENCE)
    place.set_params("gate.limits", max_latency_p50_ms=5000, max_latency_p99_ms=5000)
    place.set_params("triggers", wait_seconds=2, pause_minutes=0)
    try:
        bring_up(place)
        yield place
    finally:
        place.run("down")


def bring_up(place: Place) -> None:
    place.run("up")
    source = place.workspace.root.parent / "drawn"
    place.run(
        "ingest",
        *("--items", str(source / "items.csv")),
        *("--images", str(source / "images")),
        *("--ratings", str(source / "ratings.csv")),
    )
    await_that(lambda: outcomes(place)[:1] == ["promoted"], lambda: outcomes(place))


def await_that(is_so: Callable[[], bool], tell: Callable[[], Any] = str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, tell()
        time.sleep(0.5)  # nothing to await: the stack is other processes


def outcomes(place: Place) -> list[str | None]:
    """Return what came of each round that was begun, in order; None while it is at work."""
    if not place.workspace.triggers.exists():
        return []
    with sqlite3.connect(place.workspace.triggers) as book:
        rows = book.execute(
            "SELECT outcome FROM rounds WHERE begun_at IS NOT NULL ORDER BY number"
        ).fetchall()
    return [row[0] for row in rows]


def is_at_work(place: Place) -> bool:
    return outcomes(place)[-1:] == [None]


def find_processes(place: Place, *words: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            line, marks = " ".join(process.cmdline()), process.environ()
        except psutil.Error:
            continue
        ours = marks.get("BEHOLDER_WORKSPACE") == str(place.workspace.root)
        if ours and all(word in line for word in words):
            found.append(process)
    return found


def runs(place: Place) -> list[dict[str, Any]]:
    """Return Prefect's flow runs of `retrain`, the oldest first."""
    script = (
        "import json\n"
        "from prefect.client.orchestration import get_client\n"
        "with get_client(sync_client=True) as client:\n"
        "    found = client.read_flow_runs()\n"
        "found = sorted((run for run in found if 'retrain' in run.name), key=lambda r: r.created)\n"
        "print(json.dumps([[r.state.type.value, r.state.name, r.state.message] for r in found]))\n"
    )
    url = f"http://127.0.0.1:{place.ports()['prefect']}/api"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**place.environment, "PREFECT_API_URL": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    names = ("type", "name", "message")
    return [dict(zip(names, run, strict=True)) for run in json.loads(ended.stdout)]


def add_ratings(place: Place, seed: int) -> None:
    """Ingest some ratings more, as another day brings them."""
    assert isinstance(place.drawn, Demo)
    file = Path(place.workspace.root) / f"day-{seed}.csv"
    given = [
        f"user-{seed}-{number % 7},{item},{1 + (number * seed) % 5},{1_790_000_000 + number}"
        for number, item in enumerate(list_items(place)[:40])
    ]
    file.write_text("\n".join(["user_id,item_id,rating,timestamp", *given]))
    place.run("ingest", "--ratings", str(file))


def list_items(place: Place) -> list[str]:
    return list(read_parquet(place.workspace.accepted / "items.parquet")["item_id"])


def test_champion_is_in_service_after_up_and_ingest_alone(stack: Place):
    await_that(lambda: "endpoint" in stack.ports())
    url = f"http://127.0.0.1:{stack.ports()['endpoint']}"
    await_that(lambda: is_answering(f"{url}/readyz"))
    model = httpx.get(f"{url}/model", timeout=30).json()["model"]
    assert model["version"] == "1"
    shown = stack.run("status").stdout
    for service in ("prefect", "mlflow", "worker", "endpoint"):
        assert f"{service} " in shown
    assert "round 1 promoted, version 1 (data)" in shown
    assert "not running" not in shown


def is_answering(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def test_mlflow_asks_for_a_password_that_lies_in_no_log(stack: Place):
    url = f"http://127.0.0.1:{stack.ports()['mlflow']}/api/2.0/mlflow/experiments/search"
    assert httpx.get(url, params={"max_results": 1}, timeout=60).status_code == 401
    told = (stack.workspace.credentials).read_text()
    password = json.loads(told)["mlflow_password"]
    signed = httpx.get(url, params={"max_results": 1}, auth=("admin", password), timeout=60)
    assert signed.status_code == 200
    logs = (stack.workspace.run / "services").glob("*")
    assert not [log for log in logs if log.is_file() and password in log.read_text(errors="ignore")]


def test_storm_of_sixteen_commands_is_one_run(stack: Place):
    before = len(outcomes(stack))
    threads = [
        threading.Thread(target=stack.run, args=("trigger", "--reason", f"asker {number}"))
        for number in range(16)
    ]
    # Somebody trains, so that the round stays open until all have asked.
    with hold_lock(stack.workspace.work_lock, wait_seconds=60, what="a test"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    await_that(lambda: len(outcomes(stack)) > before and not is_at_work(stack))
    assert outcomes(stack)[before:] == ["unchanged"]
    with sqlite3.connect(stack.workspace.triggers) as book:
        heard = book.execute("SELECT count(*) FROM asked WHERE reason LIKE 'asker %'").fetchone()
    assert heard == (16,)


def test_worker_killed_in_mid_run_comes_back_and_the_run_is_told_and_heard_again(stack: Place):
    before = len(outcomes(stack))
    add_ratings(stack, 2)
    await_that(lambda: bool(find_processes(stack, "dvc", "repro")), lambda: outcomes(stack))
    (worker,) = find_processes(stack, "flows.worker_service")
    for process in [worker, *worker.children(recursive=True)]:
        process.send_signal(signal.SIGKILL)
    await_that(
        lambda: len(outcomes(stack)) == before + 2 and not is_at_work(stack),
        lambda: (outcomes(stack), runs(stack)),
    )
    assert outcomes(stack)[before] == "cut off"
    assert outcomes(stack)[before + 1] in ("promoted", "rejected", "inconclusive")
    await_that(lambda: all(run["type"] != "RUNNING" for run in runs(stack)), lambda: runs(stack))
    (gone,) = [run for run in runs(stack) if run["type"] == "CRASHED"]
    assert gone["message"].startswith("Its process ended without a word: it was killed")


def test_prefect_killed_in_mid_run_leaves_no_run_that_only_seems_alive(stack: Place):
    before = len(outcomes(stack))
    add_ratings(stack, 3)
    await_that(lambda: bool(find_processes(stack, "dvc", "repro")), lambda: outcomes(stack))
    (server,) = [
        process
        for process in find_processes(stack, "prefect", "server", "start")
        if process.ppid() == find_arbiter(stack)
    ]
    server.kill()
    await_that(
        lambda: (
            outcomes(stack)[-1] in ("promoted", "rejected", "inconclusive", "unchanged")
            and len(outcomes(stack)) > before
        ),
        lambda: (outcomes(stack), runs(stack)),
    )
    await_that(
        lambda: all(run["type"] not in ("RUNNING", "PENDING") for run in runs(stack)),
        lambda: runs(stack),
    )


def test_mlflow_killed_in_mid_run_stops_no_training_and_comes_back(stack: Place):
    before = len(outcomes(stack))
    add_ratings(stack, 4)
    await_that(lambda: bool(find_processes(stack, "dvc", "repro")), lambda: outcomes(stack))
    for process in find_processes(stack, "mlflow", "server"):
        process.kill()
    await_that(lambda: len(outcomes(stack)) > before and not is_at_work(stack))
    assert outcomes(stack)[-1] in ("promoted", "rejected", "inconclusive")
    health = f"http://127.0.0.1:{stack.ports()['mlflow']}/health"
    await_that(lambda: is_answering(health))


def find_arbiter(place: Place) -> int:
    return int((place.workspace.run / "services/circus.pid").read_text())


def test_schedule_fires_and_is_skipped_with_its_reason(stack: Place):
    before = len(outcomes(stack))
    stack.set_params("triggers", schedule="* * * * *")
    await_that(lambda: len(outcomes(stack)) > before and not is_at_work(stack))
    stack.set_params("triggers", schedule="never")
    assert outcomes(stack)[before] == "skipped"
    with sqlite3.connect(stack.workspace.triggers) as book:
        (reason,) = book.execute(
            "SELECT reason FROM rounds WHERE outcome = 'skipped' ORDER BY number DESC"
        ).fetchone()
    assert "new ratings and items since the last training" in reason


def test_stack_is_the_same_after_the_machine_went_down(stack: Place):
    ports, before = stack.ports(), outcomes(stack)
    os.kill(find_arbiter(stack), signal.SIGKILL)
    await_that(lambda: not find_processes(stack, "flows.worker_service"))
    stack.run("up")
    assert stack.ports() == ports
    assert outcomes(stack)[: len(before)] == before
    assert len(runs(stack)) >= len(before)

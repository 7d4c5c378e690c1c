"""SIGKILL of processes that write the log, several at once: nothing acknowledged is lost."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from components.child import supervised
from components.feedback.tables import LAYOUT, events
from components.sqlite import open_engine

ROOT = Path(__file__).parents[2]
PROCESSES = 2


def kill_senders(address: str, folder: Path, round_: int, enough: int) -> set[str]:
    """Let processes write at once, kill each after it was told of enough; return what it was."""
    outputs = [folder / f"{round_}.{process}" for process in range(PROCESSES)]
    senders = []
    for output in outputs:
        with output.open("wb") as stream:
            command = [sys.executable, "-m", "tests.feedback.sender", address, output.name]
            senders.append(subprocess.Popen(supervised(command), cwd=ROOT, stdout=stream))
    deadline = time.monotonic() + 60
    for sender, output in zip(senders, outputs, strict=True):
        while output.read_bytes().count(b"\n") < enough:
            assert sender.poll() is None, "the sender ended by itself"
            assert time.monotonic() < deadline, "the sender is stuck"
            time.sleep(0.001)  # nothing to await: a growing file tells nobody
        sender.kill()
    for sender in senders:
        sender.wait()
    return {line for output in outputs for line in output.read_text().splitlines()}


def check(address: str, acknowledged: set[str]) -> None:
    engine = open_engine(address, LAYOUT)
    with engine.connect() as connection:
        stored = connection.execute(select(events.c.event_id)).scalars().all()
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    engine.dispose()
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored)


def test_kill_of_two_processes_that_write_at_once_loses_nothing_acknowledged(
    address: str, tmp_path: Path
):
    acknowledged = kill_senders(address, tmp_path, 0, enough=60)
    assert len(acknowledged) >= 60 * PROCESSES
    check(address, acknowledged)


@pytest.mark.torture
def test_twelve_kills_lose_nothing_acknowledged(address: str, tmp_path: Path):
    acknowledged: set[str] = set()
    draw = random.Random(0)
    for round_ in range(12):
        acknowledged |= kill_senders(address, tmp_path, round_, draw.randrange(20, 1200))
        check(address, acknowledged)
    print(f"{len(acknowledged):,} acknowledged, none lost")

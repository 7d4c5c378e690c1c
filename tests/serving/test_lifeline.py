import subprocess
import sys
from pathlib import Path

from components.locking import hold_lock

WORKER = """
import sys, threading
from pathlib import Path
from serving.lifeline import follow
follow(Path(sys.argv[1]))
print("following", flush=True)
threading.Event().wait()
"""


def start_worker(lock: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(lock)], stdout=subprocess.PIPE, text=True
    )


def test_worker_lives_while_the_lock_is_held_and_ends_when_it_is_free(tmp_path: Path):
    lock = tmp_path / "lifeline"
    with hold_lock(lock, wait_seconds=0, what="the test"):
        worker = start_worker(lock)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "following\n"
        assert worker.poll() is None
    assert worker.wait(timeout=20) == 1
    worker.stdout.close()


def test_worker_ends_at_once_if_the_holder_is_gone_already(tmp_path: Path):
    worker = start_worker(tmp_path / "missing")
    assert worker.wait(timeout=20) == 1
    assert worker.stdout is not None
    worker.stdout.close()

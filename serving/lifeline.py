"""A worker that ends when whoever started it is gone, even by SIGKILL."""

import fcntl
import os
import threading
from pathlib import Path


def follow(lock: Path) -> None:
    """End this process as soon as nobody holds the lock any more.

    The kernel frees a lock when its holder dies, however it dies; BentoML's workers are started by
    a process manager in between, which a killed caller leaves behind.
    """
    threading.Thread(target=_wait, args=(lock,), name="lifeline", daemon=True).start()


def _wait(lock: Path) -> None:
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        os._exit(1)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os._exit(1)

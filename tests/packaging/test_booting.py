import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.errors import ServiceError
from components.packaging.booting import boot

pytestmark = pytest.mark.integration

BOOT = """
import sys
from pathlib import Path
from components.packaging.booting import boot
with boot(Path(sys.argv[1]), ready_seconds=180) as running:
    tree = [running.process, *running.process.children(recursive=True)]
    print(*[process.pid for process in tree], flush=True)
    sys.stdin.read()
"""


def test_killed_caller_leaves_no_server_and_no_worker_behind(bento: Path):
    caller: Any = subprocess.Popen(
        [sys.executable, "-c", BOOT, str(bento)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    tree = [psutil.Process(int(pid)) for pid in caller.stdout.readline().split()]
    assert len(tree) >= 2
    os.kill(caller.pid, signal.SIGKILL)
    caller.wait()
    _, alive = psutil.wait_procs(tree, timeout=20)
    for stream in (caller.stdin, caller.stdout):
        stream.close()
    assert alive == []


def test_server_that_cannot_start_says_why(bento: Path, tmp_path: Path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 3\n")
    broken.chmod(0o755)
    with (
        pytest.raises(ServiceError, match=r"ended as it started(.|\n)*no such module"),
        boot(bento, ready_seconds=60, python=broken),
    ):
        raise AssertionError("it booted")


def test_server_that_is_never_ready_is_given_up_and_ended(bento: Path, tmp_path: Path):
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 600\n")
    slow.chmod(0o755)
    with (
        pytest.raises(ServiceError, match="not ready in time"),
        boot(bento, ready_seconds=0.5, python=slow),
    ):
        raise AssertionError("it booted")
    assert not [p for p in psutil.Process().children(recursive=True) if p.name() == "sleep"]

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from components.child import supervised
from components.errors import WorkspaceError
from components.locking import hold_lock

HOLD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from components.locking import hold_lock
    with hold_lock(Path(sys.argv[1]), wait_seconds=0, what="it"):
        print("held", flush=True)
        sys.stdin.read()
""")


def start_holder(path: Path) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_second_holder_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with start_holder(path) as holder:
        with (
            pytest.raises(WorkspaceError, match=f"the pipeline is in use by process {holder.pid}"),
            hold_lock(path, wait_seconds=0, what="the pipeline"),
        ):
            pytest.fail("two held one lock")
        holder.communicate()


def test_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with start_holder(path) as holder:
        holder.kill()
        holder.wait()
        with hold_lock(path, wait_seconds=0, what="the pipeline"):
            assert path.read_text() != str(holder.pid)


def test_child_dies_with_the_process_that_started_it() -> None:
    script = textwrap.dedent("""
        import subprocess, sys
        from components.child import supervised
        sleep = "import time; print(1, flush=True); time.sleep(600)"
        command = supervised([sys.executable, "-c", sleep])
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        child.stdout.readline()
        print(child.pid, flush=True)
        sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        gone, _ = psutil.wait_procs([child], timeout=10)
        assert gone == [child]


def test_child_of_a_dead_parent_does_not_start() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    command = supervised([sys.executable, "-c", "print('started')"], parent=dead.pid)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "has ended" in ended.stderr

"""A version is learnt again after its data were withdrawn, through a kill, to the last bit."""

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from components.batches import read_batches
from components.files import hash_tree
from components.paths import Workspace
from flows.scratch import scratch_folder
from tests.end_to_end.place import Place

pytestmark = [pytest.mark.torture, pytest.mark.end_to_end, pytest.mark.timeout(1800)]


def read_files(place: Place) -> dict[str, str]:
    """Return the hash of every file of a workspace but its own state and git's."""
    own = (".beholder/", ".git/")
    found = hash_tree(place.workspace.root).items()
    return {name: sha for name, sha in found if not name.startswith(own)}


def await_training(scratch: Workspace) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        if scratch.live_history.exists() and scratch.live_history.read_bytes().count(b"\n") > 2:
            return
        time.sleep(0.05)
    raise AssertionError("no training began")


def steps_of(folder: Path) -> list[psutil.Process]:
    """Return the processes that stand in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder):
                found.append(process)
        except (psutil.Error, FileNotFoundError):
            continue
    return found


def test_withdrawn_version_is_reproduced_to_the_bit_through_a_kill(trained: Place) -> None:
    (batch,) = read_batches(trained.workspace)
    trained.run("withdraw", batch.id)
    assert "withdrawn since" in trained.run("trace", "1").stdout
    (learner,) = json.loads(trained.run("trace", batch.id, "--json").stdout)["learners"]
    assert (learner["version"], learner["aliases"]) == (1, ["champion"])
    # What the champion needs stays, withdrawn or not.
    trained.run("gc", "--keep", "1", "--yes")
    before = read_files(trained)
    scratch = Workspace(scratch_folder(trained.workspace, 1))
    with trained.start("reproduce", "champion") as killed:
        await_training(scratch)
        assert "in use by process" in trained.run("reproduce", "1", code=1).stderr
        os.killpg(killed.pid, signal.SIGKILL)
    psutil.wait_procs(steps_of(scratch.root), timeout=20)
    said = trained.run("reproduce", "1").stderr
    assert "version 1 is reproduced to the bit" in said
    assert "= embed" in said  # the second call went on where the first was killed
    assert "✗" not in said
    assert not scratch.root.parent.exists()
    assert read_files(trained) == before

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from components.batches import (
    Batch,
    batch_folder,
    data_version,
    hash_batch,
    read_batches,
    read_images,
)
from components.data.demo import Demo
from components.data.ingest import ingest, withdraw
from components.dvc import run_dvc
from components.errors import DataError
from components.files import hash_tree
from components.params import Params
from components.paths import Workspace

pytestmark = pytest.mark.integration


def test_batch_lies_whole_in_its_folder_and_in_the_remote(
    stored: tuple[Workspace, Batch],
) -> None:
    workspace, batch = stored
    assert read_batches(workspace) == (batch,)
    folder = batch_folder(workspace, batch.id)
    assert hash_batch(folder) == batch.sha256
    images = read_images(folder)
    assert images["source"].str.startswith("print-").all()
    assert images["sha256"].is_monotonic_increasing
    assert run_dvc(workspace, "status", "--cloud", "--quiet").returncode == 0


def test_same_files_a_second_time_change_nothing(
    stored: tuple[Workspace, Batch], params: Params, small_demo: Demo
) -> None:
    workspace, batch = stored
    before = hash_tree(workspace.root / "data")
    again = ingest(workspace, params, items=small_demo.items, images=small_demo.images)
    assert (again.batch, again.is_new) == (batch, False)
    assert hash_tree(workspace.root / "data") == before


def test_second_batch_is_appended_with_its_refused_rows_said_and_the_first_can_be_withdrawn(
    stored: tuple[Workspace, Batch], params: Params, tmp_path: Path
) -> None:
    workspace, first = stored
    version = data_version(read_batches(workspace))
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("user_id,item_id,rating,timestamp\nu,i,4,10\nu,,4,10\nu,j,x,10\n")
    done = ingest(workspace, params, ratings=ratings)
    assert (done.batch.ratings, done.batch.items, done.batch.images) == (1, 0, 0)
    assert [refusal.row for refusal in done.refused] == [2, 3]
    assert read_batches(workspace) == (first, done.batch)
    assert withdraw(workspace, first.id) == first
    assert read_batches(workspace) == (done.batch,)
    assert data_version(read_batches(workspace)) != version
    # A clone would miss in vain what DVC still tracks and nobody lists.
    assert [path.name for path in workspace.batches.glob("*.dvc")] == [f"{done.batch.id}.dvc"]
    assert ingest(workspace, params, ratings=ratings).is_new is False
    with pytest.raises(DataError, match=f"no batch '{first.id}'"):
        withdraw(workspace, first.id)


# Kills itself the Nth time that a file or folder gets its final name, wherever that is.
KILLED = """
    import os, signal, sys
    from pathlib import Path
    from components.data.ingest import ingest
    from components.params import load_params
    from components.paths import Workspace

    left = int(sys.argv[3])

    def watch(event, arguments):
        global left
        if event == "os.rename":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    workspace, drawn = Workspace(Path(sys.argv[1])), Path(sys.argv[2])
    sys.addaudithook(watch)
    ingest(
        workspace,
        load_params(workspace.params),
        items=drawn / "items.csv",
        images=drawn / "images",
        ratings=drawn / "ratings.csv",
    )
"""


def run_killed(workspace: Workspace, demo: Demo, renames: int) -> int:
    command = [sys.executable, "-c", textwrap.dedent(KILLED)]
    arguments = [str(workspace.root), str(demo.folder), str(renames)]
    return subprocess.run([*command, *arguments], check=False, env=os.environ).returncode


def test_ingest_killed_at_any_rename_is_completed_by_the_next(
    workspace: Workspace, params: Params, small_demo: Demo
) -> None:
    # Three tables within the folder, then the folder itself, and the list, which comes last.
    for renames in (3, 4):
        assert run_killed(workspace, small_demo, renames) == -signal.SIGKILL
        assert read_batches(workspace) == ()
    done = ingest(
        workspace,
        params,
        items=small_demo.items,
        images=small_demo.images,
        ratings=small_demo.ratings,
    )
    assert done.is_new
    assert read_batches(workspace) == (done.batch,)
    assert hash_batch(batch_folder(workspace, done.batch.id)) == done.batch.sha256
    left = {path.name for path in workspace.batches.iterdir()}
    assert left == {done.batch.id, f"{done.batch.id}.dvc"}


def test_image_over_the_limit_of_params_is_refused(
    workspace: Workspace, params: Params, small_demo: Demo
) -> None:
    tiny = params.model_copy(
        update={"ingest": params.ingest.model_copy(update={"max_image_megabytes": 1e-5})}
    )
    with pytest.raises(DataError, match=r"24 refused, .*max_image_megabytes"):
        ingest(workspace, tiny, images=small_demo.images)

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from components.batches import Batch, batch_folder, hash_batch, write_batches
from components.data.demo import Demo
from components.data.ingest import ingest
from components.data.versions import check_space, fetch_batch, local_remote
from components.dvc import dvc_environment
from components.errors import CorruptFileError, DataError, WorkspaceError
from components.params import Params
from components.paths import Workspace

pytestmark = pytest.mark.integration


def flip(path: Path) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.chmod(0o444)


def objects(store: Path) -> list[Path]:
    """The objects of a DVC store but lists of folders, the largest first."""
    found = [path for path in store.rglob("*") if path.is_file() and path.suffix != ".dir"]
    return sorted(found, key=lambda path: path.stat().st_size, reverse=True)


def test_batch_that_is_gone_comes_back_from_the_remote(stored: tuple[Workspace, Batch]) -> None:
    workspace, batch = stored
    assert not fetch_batch(workspace, batch.id)
    shutil.rmtree(batch_folder(workspace, batch.id))
    shutil.rmtree(workspace.root / ".dvc/cache")
    assert fetch_batch(workspace, batch.id)
    assert hash_batch(batch_folder(workspace, batch.id)) == batch.sha256


def test_flipped_byte_here_is_mended_from_the_remote(stored: tuple[Workspace, Batch]) -> None:
    workspace, batch = stored
    # The cache's object and the workspace's file are one file with two names.
    flip(objects(workspace.root / ".dvc/cache")[0])
    with pytest.raises(CorruptFileError, match=r"is changed|cannot be read"):
        hash_batch(batch_folder(workspace, batch.id))
    assert fetch_batch(workspace, batch.id)
    assert hash_batch(batch_folder(workspace, batch.id)) == batch.sha256


def test_flipped_byte_in_the_remote_is_named_and_its_advice_works(
    stored: tuple[Workspace, Batch],
) -> None:
    workspace, batch = stored
    remote = local_remote(workspace)
    assert remote is not None
    bad = objects(remote)[0]
    flip(bad)
    folder = batch_folder(workspace, batch.id)
    kept, cache = folder.rename(folder.with_suffix(".kept")), workspace.root / ".dvc/cache"
    cache.rename(cache.with_suffix(".kept"))
    with pytest.raises(CorruptFileError, match=rf"{bad} .*is corrupt; run") as caught:
        fetch_batch(workspace, batch.id)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(cache)
    cache.with_suffix(".kept").rename(cache)
    kept.rename(folder)
    for command in re.findall(r"'([^']+)'", str(caught.value)):
        follow(workspace, command)
    shutil.rmtree(folder)
    shutil.rmtree(cache)
    assert fetch_batch(workspace, batch.id)


def follow(workspace: Workspace, command: str) -> None:
    words = shlex.split(command)
    if words[0] == "dvc":
        words = [sys.executable, "-m", *words]
    subprocess.run(words, cwd=workspace.root, env=dvc_environment(workspace), check=True)


def test_flipped_object_is_found_as_a_batch_is_stored_and_its_advice_works(
    stored: tuple[Workspace, Batch], params: Params, small_demo: Demo
) -> None:
    workspace, batch = stored
    bad = objects(workspace.root / ".dvc/cache")[0]
    flip(bad)
    write_batches(workspace, ())
    shutil.rmtree(batch_folder(workspace, batch.id))  # so that DVC meets its old object again
    files = {"items": small_demo.items, "images": small_demo.images}
    with pytest.raises(CorruptFileError, match=rf"{bad} .*is corrupt; run") as caught:
        ingest(workspace, params, **files)
    follow(workspace, re.findall(r"'([^']+)'", str(caught.value))[0])
    assert ingest(workspace, params, **files).batch == batch
    assert hash_batch(batch_folder(workspace, batch.id)) == batch.sha256


# From the moment named on, no file may grow over the limit: more fails as on a full disk.
FULL = """
    import resource, sys
    from pathlib import Path
    import components.data.ingest as ingest
    from components.errors import BeholderError
    from components.params import load_params
    from components.paths import Workspace

    workspace, drawn, moment = Workspace(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
    begin = getattr(ingest, moment)

    def begin_on_a_full_disk(*arguments):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        begin(*arguments)

    setattr(ingest, moment, begin_on_a_full_disk)
    try:
        ingest.ingest(workspace, load_params(workspace.params), images=drawn)
    except BeholderError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        sys.exit(str(error))
"""


def ingest_on_a_full_disk(workspace: Workspace, images: Path, moment: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(FULL), str(workspace.root), str(images)]
    child = subprocess.run([*command, moment], capture_output=True, text=True, check=False)
    assert child.returncode == 1, child.stderr
    return child.stderr


def test_disk_that_fills_up_is_told_with_the_sizes_and_the_next_ingest_completes(
    workspace: Workspace, params: Params, tmp_path: Path, picture: bytes
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "large.jpg").write_bytes(picture + bytes(4_000_000))
    for moment in ("check_space", "store_batch"):
        said = ingest_on_a_full_disk(workspace, images, moment)
        assert re.search(r"the disk is full: batch \w+ has 4\.0 MB, .* MB are free at /", said)
        assert "sha256" not in workspace.batch_list.read_text()
    done = ingest(workspace, params, images=images)
    assert done.is_new
    assert hash_batch(batch_folder(workspace, done.batch.id)) == done.batch.sha256


def test_more_than_the_disk_holds_is_refused_before_a_byte_is_written(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"needed on the disk .* are free; make room"):
        check_space(workspace, shutil.disk_usage(workspace.root).free)
    check_space(workspace, 0)


def test_batch_that_nobody_listed_is_told(workspace: Workspace) -> None:
    with pytest.raises(DataError, match="no batch 'abc'"):
        fetch_batch(workspace, "abc")


def test_remote_that_cannot_be_reached_is_told_with_what_dvc_said(
    workspace: Workspace, params: Params, small_demo: Demo
) -> None:
    remote = local_remote(workspace)
    assert remote is not None
    remote.write_text("a file where a folder should be")
    with pytest.raises(WorkspaceError, match="dvc push"):
        ingest(workspace, params, ratings=small_demo.ratings)


def test_address_of_a_bucket_is_no_local_remote(workspace: Workspace) -> None:
    config = workspace.root / ".dvc/config"
    config.write_text(re.sub(r"url = .*", "url = s3://bucket/store", config.read_text()))
    assert local_remote(workspace) is None
    config.write_text(config.read_text().replace("remote = storage", ""))
    with pytest.raises(WorkspaceError, match="names no default remote"):
        local_remote(workspace)

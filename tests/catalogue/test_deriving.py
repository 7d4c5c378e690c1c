"""What accepted items change about a bundle: pure differences, and overlays of a real bundle."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.batches import Batch, data_version
from components.catalogue.deriving import Encoding, derive_overlay, find_differences
from components.catalogue.snapshot import (
    Snapshot,
    find_snapshot,
    sweep,
    take_snapshot,
)
from components.errors import CorruptFileError
from components.features.encoders import open_encoder
from components.files import read_parquet, write_parquet
from components.images import decode_image
from components.models.bundle import load_bundle, read_digest
from components.models.overlay import read_overlay
from components.models.predictor import Predictor
from components.params import load_params
from components.paths import Workspace
from components.settings import Settings

NOTHING = np.zeros(0, np.int64)
BATCHES = tuple(Batch(sha[:16], sha, 4, 3, 9) for sha in ("a1" * 32, "b2" * 32))
SETTINGS = Settings(device="cpu", threads=1)


@pytest.fixture
def workspace(
    make_trainable: Callable[..., None],
    served_bundle: Path,
    draw: Callable[[int], bytes],
    tmp_path: Path,
) -> Workspace:
    """Accepted are what the served bundle knows but for i10, and three items more.

    i1 is called otherwise, i2 is withdrawn; the last of the new has no image.
    """
    make_trainable(tmp_path / "work", items=4)
    workspace = Workspace(tmp_path / "work")
    known = read_parquet(served_bundle / "items.parquet")
    new = read_parquet(workspace.accepted / "items.parquet").iloc[[0, 1, 3]]
    items = pd.concat([known[known["item_id"] != "i10"], new], ignore_index=True)
    items["available"] = ["", "", "FALSE", *[""] * (len(items) - 4), "true"]
    items.loc[items["item_id"] == "i1", "title"] = "Renamed"
    write_parquet(workspace.accepted / "items.parquet", items)
    return workspace


def derive(
    workspace: Workspace, bundle: Path, *, learnt: str | None = None, keep: bool = False
) -> tuple[Path, str] | None:
    snapshot = find_snapshot(workspace)
    assert snapshot is not None
    encoding = Encoding(load_params(workspace.params), SETTINGS, keep)
    return derive_overlay(workspace, snapshot, bundle, encoding, data_version=learnt)


def snap(workspace: Workspace, batches: tuple[Batch, ...] = BATCHES) -> Snapshot:
    return take_snapshot(workspace, batches)


def test_overlay_holds_what_is_new_renamed_and_withdrawn(
    workspace: Workspace, served_bundle: Path, draw: Callable[[int], bytes]
) -> None:
    snap(workspace, BATCHES[:1])
    snap(workspace)
    made = derive(workspace, served_bundle, learnt=data_version(BATCHES[:1]), keep=True)
    assert made is not None
    folder, digest = made
    overlay = read_overlay(folder, read_digest(served_bundle), digest)
    assert overlay.appended["item_id"].tolist() == ["i000", "i001", "i003"]
    assert overlay.has_image_A.tolist() == [True, True, False]
    assert overlay.renamed["title"].tolist() == ["Renamed"]
    # i10 was taken out of data that this workspace had: nobody may be shown it any more.
    assert overlay.withdrawn == ("i10", "i2")
    encoder = open_encoder(served_bundle / "encoder", "cpu")
    seen_E = encoder.encode([decode_image(draw(1), max_megapixels=1)])[0]
    np.testing.assert_allclose(overlay.embeddings_AE[1], seen_E, atol=1e-4)
    predictor = Predictor(load_bundle(served_bundle), overlay)
    listed = {one.item_id for one in predictor.rank(predictor.fold_user("u0"), 99, NOTHING)}
    assert listed == {*(f"i{row}" for row in range(12)), "i000", "i001", "i003"} - {"i10", "i2"}

    # Again it is the same, and nothing is encoded: what was, is in the store, or in the overlay.
    before = folder.stat().st_ino
    assert derive(workspace, served_bundle) == made
    assert folder.stat().st_ino == before
    shutil.rmtree(workspace.root / "data/raw")
    shutil.rmtree(folder)
    assert derive(workspace, served_bundle, learnt=data_version(BATCHES[:1])) == made


def test_bundle_of_data_that_the_workspace_never_had_loses_no_item(
    workspace: Workspace, served_bundle: Path
) -> None:
    snap(workspace)
    made = derive(workspace, served_bundle, learnt="f" * 64)
    assert made is not None
    assert read_overlay(made[0], read_digest(served_bundle)).withdrawn == ("i2",)
    # Without `keep` nothing is written to the store: somebody else may be writing there.
    assert not (workspace.cache / "embeddings").exists()


def test_image_that_must_be_encoded_and_is_gone_is_named(
    workspace: Workspace, served_bundle: Path
) -> None:
    snap(workspace)
    shutil.rmtree(workspace.root / "data/raw")
    with pytest.raises(CorruptFileError, match=r"is missing; 'beholder fetch b'"):
        derive(workspace, served_bundle)
    assert not (workspace.catalogue / "overlays").exists()


def test_damaged_overlay_is_derived_anew_and_a_damaged_snapshot_is_said(
    workspace: Workspace, served_bundle: Path
) -> None:
    snapshot = snap(workspace)
    made = derive(workspace, served_bundle, keep=True)
    assert made is not None
    (made[0] / "withdrawn.parquet").write_bytes(b"?")
    assert derive(workspace, served_bundle) == made
    assert read_overlay(made[0], read_digest(served_bundle)).withdrawn == ("i2",)
    shutil.rmtree(made[0])
    (snapshot.folder / "items.parquet").write_bytes(b"?")
    with pytest.raises(CorruptFileError, match=r"not as it was written.*catalogue refresh"):
        derive(workspace, served_bundle)
    snap(workspace)
    assert derive(workspace, served_bundle) == made


def test_nothing_new_makes_no_overlay(workspace: Workspace, served_bundle: Path) -> None:
    shutil.copyfile(served_bundle / "items.parquet", workspace.accepted / "items.parquet")
    snap(workspace)
    assert derive(workspace, served_bundle) is None


def test_later_snapshot_counts_and_what_nobody_uses_is_swept(
    workspace: Workspace, served_bundle: Path
) -> None:
    first = snap(workspace, BATCHES[:1])
    old = derive(workspace, served_bundle, keep=True)
    items = read_parquet(workspace.accepted / "items.parquet")
    write_parquet(workspace.accepted / "items.parquet", items.assign(available=""))
    second = snap(workspace)
    assert second.known == (data_version(BATCHES[:1]), data_version(BATCHES))
    assert find_snapshot(workspace) == second
    new = derive(workspace, served_bundle)
    assert old is not None
    assert new is not None
    assert read_overlay(new[0], read_digest(served_bundle)).withdrawn == ()
    sweep(workspace, [old[0]])
    assert (old[0].exists(), new[0].exists(), first.folder.exists()) == (True, True, False)
    sweep(workspace, [])
    assert (old[0].exists(), new[0].exists(), second.folder.exists()) == (False, True, True)


def test_killed_at_any_write_it_is_finished_by_the_next_call(
    workspace: Workspace, served_bundle: Path
) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "count, fsync = int(sys.argv[3]), os.fsync\n"
        "def count_down(descriptor):\n"
        "    global count\n"
        "    count -= 1\n"
        "    if count < 0:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    fsync(descriptor)\n"
        "os.fsync = count_down\n"
        "from components.batches import Batch\n"
        "from components.catalogue.snapshot import take_snapshot\n"
        "from components.models.bundle import read_digest\n"
        "from components.models.overlay import read_overlay, write_overlay\n"
        "from components.paths import Workspace\n"
        "workspace, made = Workspace(Path(sys.argv[1])), Path(sys.argv[2])\n"
        "take_snapshot(workspace, ())\n"
        "overlay = read_overlay(made, sys.argv[4])\n"
        "write_overlay(overlay, sys.argv[4], made.with_name('again'))\n"
    )
    before = snap(workspace)
    made = derive(workspace, served_bundle, keep=True)
    assert made is not None
    bundle, again = read_digest(served_bundle), made[0].with_name("again")
    for writes in (2, 7, 12):
        command = [sys.executable, "-c", script, str(workspace.root), str(made[0]), str(writes)]
        ended = subprocess.run([*command, bundle], check=False, env=dict(os.environ))
        assert ended.returncode == -signal.SIGKILL
        # Whatever stands under a final name is whole.
        found = find_snapshot(workspace)
        assert found is not None
        assert len(found.items()) == len(before.items())
        if again.exists():
            read_overlay(again, bundle, made[1])
    assert derive(workspace, served_bundle) == made


def frame(cells: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """Return items of (title, available) by id, none of which has an image."""
    return pd.DataFrame(
        {
            "item_id": list(cells),
            "title": [title for title, _ in cells.values()],
            "category": "",
            "images": [[] for _ in cells],
            "available": [available for _, available in cells.values()],
        }
    )


CELLS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from(["x", "y"]), st.sampled_from(["", "true", "false"])),
)


@settings(max_examples=60, deadline=None)
@given(before=CELLS, after=CELLS, is_newer=st.booleans())
def test_differences_laid_over_the_bundle_make_the_accepted_items(
    before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]], is_newer: bool
) -> None:
    differences = find_differences(frame(before), frame(after), is_newer=is_newer)
    own = {item for item, (_, available) in before.items() if available == "false"}
    titles = {item: title for item, (title, _) in before.items()}
    withdrawn = own
    if differences is not None:
        appended, renamed, ids = differences
        titles |= dict(zip(appended["item_id"], appended["title"], strict=True))
        titles |= dict(zip(renamed["item_id"], renamed["title"], strict=True))
        withdrawn = set(ids)
        assert not set(appended["item_id"]) & set(before)
    assert {item: title for item, title in titles.items() if item in after} == {
        item: title for item, (title, _) in after.items()
    }
    gone = set(before) - set(after)
    hidden = {item for item, (_, available) in after.items() if available == "false"}
    assert withdrawn == hidden | (gone if is_newer else gone & own)

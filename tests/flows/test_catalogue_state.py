"""What is served of the items, in words; and a Bento that knows no refreshed catalogue."""

import logging
from pathlib import Path

import pytest

from components.errors import ConflictError
from components.files import write_json
from components.packaging.release import ReleaseManifest, write_release
from components.paths import Workspace
from flows.catalogue_state import CatalogueState
from flows.overlays import find_overlay_of, require_overlays

REFRESH = "run 'beholder catalogue refresh'"


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (CatalogueState(480), "480 items, as they were learnt"),
        (CatalogueState(1480, appended=("a", "b")), "1,480 items learnt, +2 new"),
        (
            CatalogueState(480, ("a",), ("b", "c"), ("d",)),
            "480 items learnt, +1 new, 2 renamed, −1 withdrawn",
        ),
    ],
)
def test_counts_are_told_in_a_line(state: CatalogueState, says: str):
    assert state.says() == says
    assert list(state.lacks()) == []


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (
            CatalogueState(4, waiting=(("a1", 3), ("b2", 4))),
            f"7 ingested items are not in it; {REFRESH}",
        ),
        (CatalogueState(4, is_due=True), f"what was accepted since is not in it; {REFRESH}"),
        (CatalogueState(4, withdrawn_batches=("a1",)), f"batch a1 was taken out since; {REFRESH}"),
        (CatalogueState(4, is_unknown=True), "data came in since; 'beholder catalogue refresh'"),
        (CatalogueState(4, behind=("background",)), "run 'beholder deploy'"),
    ],
)
def test_what_is_not_served_names_the_command_that_mends_it(state: CatalogueState, says: str):
    (told,) = state.lacks()
    assert says in told


def test_bento_of_a_time_before_refreshing_is_not_asked_to_open_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    workspace, bento = Workspace(tmp_path / "work"), tmp_path / "bento"
    manifest = ReleaseManifest("beholder", "3", "l", "mf", "d", "r", "r", 1e-4, "c", {})
    write_release(bento, manifest)
    with pytest.raises(ConflictError, match=r"version 3 was packaged before.*beholder retrain"):
        require_overlays(bento)
    assert find_overlay_of(workspace, bento) is None
    assert caplog.text == ""  # nothing was refreshed, so nothing is lost
    content = {"snapshot": "a" * 64, "data_version": "d", "batches": [], "known": ["d"]}
    write_json(workspace.catalogue / "current.json", content)
    with caplog.at_level(logging.WARNING):
        assert find_overlay_of(workspace, bento) is None
    assert "older than refreshing" in caplog.text

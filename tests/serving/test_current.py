"""What a worker makes of the orders in its endpoint's folder, in this process."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import BeholderError
from components.models.overlay import Overlay, write_overlay
from components.packaging.bento import package
from components.packaging.pointer import (
    Place,
    Pointer,
    WorkerReport,
    read_reports,
    write_pointer,
)
from components.packaging.release import read_release, write_release
from serving.answers import describe, origin, recommend
from serving.current import Current
from serving.release import open_release
from serving.schemas.requests import RecommendRequest

Begin = Callable[[Path, Path | None], Current]


@pytest.fixture(scope="module")
def second(served_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Bento of the same bundle under another version."""
    target = tmp_path_factory.mktemp("second") / "bento"
    package(served_bundle, {"version": "4", "lineage_id": "b" * 16}, target, tolerance=1e-4)
    return target


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Let this process be a worker that began with a Bento, until the test ends."""
    begun = []

    def make(own: Path, folder: Path | None) -> Current:
        begun.append(
            Current(own, folder, lambda place: open_release(Path(place.bento), "cpu", place))
        )
        return begun[-1]

    yield make
    for current in begun:
        current.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "endpoint"


def place(bento: Path) -> Place:
    return Place(str(bento), read_release(bento).content)


def obey(folder: Path, pointer: Pointer, is_done: Callable[[WorkerReport], Any]) -> WorkerReport:
    """Give an order, and wait until this process reports that it has dealt with it."""
    write_pointer(folder, pointer)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        report = read_reports(folder)[0]
        if report.attempt == pointer.attempt and is_done(report):
            return report
        time.sleep(0.02)
    raise AssertionError(f"not followed: {read_reports(folder)}")


def test_without_a_folder_the_own_bento_answers(begin: Begin, bento: Path):
    assert begin(bento, None).release.manifest.version == "3"


def test_release_stands_by_then_answers(begin: Begin, bento: Path, second: Path, folder: Path):
    write_pointer(folder, Pointer(1, 1, place(bento)))
    current = begin(bento, folder)
    assert read_reports(folder)[0].active == place(bento).content
    told = obey(folder, Pointer(2, 1, place(bento), place(second)), lambda r: r.standby)
    assert told.standby == place(second).content
    assert told.questions > 0
    assert told.max_difference <= 1e-4
    assert current.release.manifest.version == "3"
    taken = current.release
    told = obey(folder, Pointer(3, 1, place(second)), lambda r: r.active == place(second).content)
    assert (told.standby, told.refusal, told.pid) == (None, None, os.getpid())
    assert current.release.manifest.version == "4"
    assert taken.manifest.version == "3"  # who had begun ends with the one that it had


def test_order_that_was_called_off_leaves_nothing_standing_by(
    begin: Begin, bento: Path, second: Path, folder: Path
):
    write_pointer(folder, Pointer(1, 1, place(bento)))
    begin(bento, folder)
    obey(folder, Pointer(2, 1, place(bento), place(second)), lambda report: report.standby)
    told = obey(folder, Pointer(3, 1, place(bento)), lambda report: report.standby is None)
    assert told.active == place(bento).content


def test_worker_that_starts_late_answers_from_what_the_order_names(
    begin: Begin, bento: Path, second: Path, folder: Path
):
    write_pointer(folder, Pointer(5, 1, place(second)))
    assert begin(bento, folder).release.manifest.version == "4"


def test_damaged_release_is_refused_and_the_old_one_goes_on(
    begin: Begin, bento: Path, folder: Path, tmp_path: Path, served_bundle: Path
):
    damaged = tmp_path / "damaged"
    package(served_bundle, {"version": "5", "lineage_id": "c" * 16}, damaged, tolerance=1e-4)
    weights = damaged / "src/bundle/weights.safetensors"
    content = weights.read_bytes()
    weights.unlink()  # a link to the bundle's own
    weights.write_bytes(content[:-1] + b"?")
    write_pointer(folder, Pointer(1, 1, place(bento)))
    current = begin(bento, folder)
    told = obey(folder, Pointer(2, 1, place(bento), place(damaged)), lambda report: report.refusal)
    assert "weights.safetensors is changed" in str(told.refusal)
    assert current.release.manifest.version == "3"


def test_release_of_other_code_is_refused_and_the_restart_named(
    begin: Begin, bento: Path, second: Path, folder: Path
):
    own = read_release(second)
    write_release(second, type(own)(**{**vars(own), "runtime": "0" * 64}))
    try:
        write_pointer(folder, Pointer(1, 1, place(bento)))
        current = begin(bento, folder)
        order = Pointer(2, 1, place(bento), place(second))
        told = obey(folder, order, lambda report: report.refusal)
        assert "beholder serve --restart" in str(told.refusal)
        assert current.release.manifest.version == "3"
        write_pointer(folder, Pointer(3, 1, place(second)))
        with pytest.raises(BeholderError, match="other service code"):
            begin(bento, folder)
    finally:
        write_release(second, own)


@pytest.fixture
def refreshed(bento: Path, tmp_path: Path) -> Place:
    """The Bento with an overlay that withdraws an item."""
    overlay = Overlay(
        pd.DataFrame({"item_id": ["n1"], "title": ["New"], "category": ["new"], "images": [[]]}),
        np.zeros((1, 1280), np.float32),
        np.zeros(1, bool),
        pd.DataFrame({"item_id": ["i3"], "title": ["Other"], "category": ["landscape"]}),
        ("i5",),
    )
    folder = tmp_path / "overlay"
    digest = write_overlay(overlay, read_release(bento).digest, folder)
    return replace(place(bento), catalogue=str(folder), overlay=digest)


def test_refreshed_catalogue_takes_the_place_of_the_old_one_as_a_release_does(
    begin: Begin, bento: Path, refreshed: Place, folder: Path
):
    write_pointer(folder, Pointer(1, 1, place(bento)))
    current = begin(bento, folder)
    told = obey(folder, Pointer(2, 1, place(bento), refreshed), lambda report: report.standby)
    assert (told.standby, told.active) == (refreshed.release, place(bento).content)
    assert told.questions > 0
    assert origin(current.release).catalogue is None
    obey(folder, Pointer(3, 1, refreshed), lambda report: report.active == refreshed.release)
    release = current.release
    assert origin(release).catalogue == str(refreshed.overlay)[:12]
    listed = recommend(release, RecommendRequest(k=100))
    assert {item.item_id for item in listed.items} == {
        *(f"i{row}" for row in range(12) if row != 5),
        "n1",
    }
    assert {item.title for item in listed.items} >= {"New", "Other"}
    counts = describe(release).counts
    assert (counts.items, counts.items_appended, counts.items_withdrawn) == (13, 1, 1)
    # A worker that starts anew opens the two together.
    assert begin(bento, folder).release.name == refreshed.release


def test_damaged_catalogue_is_refused_and_the_old_one_goes_on(
    begin: Begin, bento: Path, refreshed: Place, folder: Path
):
    write_pointer(folder, Pointer(1, 1, place(bento)))
    current = begin(bento, folder)
    (Path(str(refreshed.catalogue)) / "withdrawn.parquet").write_bytes(b"?")
    told = obey(folder, Pointer(2, 1, refreshed), lambda report: report.refusal)
    assert "withdrawn.parquet is changed" in str(told.refusal)
    assert (current.release.overlay, told.active) == (None, place(bento).content)

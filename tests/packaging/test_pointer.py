import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import CorruptFileError
from components.files import read_json
from components.packaging.pointer import (
    POINTER,
    Place,
    Pointer,
    WorkerReport,
    read_pointer,
    read_reports,
    started_at,
    write_pointer,
    write_report,
)

POINTER_TO_A = Pointer(3, 2, Place("/bentos/1", "a"), Place("/bentos/2", "b"))


def test_order_is_read_as_it_was_written(tmp_path: Path):
    assert read_pointer(tmp_path) is None
    write_pointer(tmp_path, POINTER_TO_A)
    assert read_pointer(tmp_path) == POINTER_TO_A
    write_pointer(tmp_path, replace(POINTER_TO_A, standby=None))
    assert read_pointer(tmp_path) == replace(POINTER_TO_A, standby=None)


def test_place_without_an_overlay_is_written_as_before_there_were_any(tmp_path: Path):
    refreshed = Place("/bentos/1", "a", "/overlays/1", "f")
    write_pointer(tmp_path, Pointer(1, 1, Place("/bentos/1", "a"), refreshed))
    written = read_json(tmp_path / POINTER)
    assert written["current"] == {"bento": "/bentos/1", "content": "a"}
    assert read_pointer(tmp_path) == Pointer(1, 1, Place("/bentos/1", "a"), refreshed)
    assert (Place("/bentos/1", "a").release, refreshed.release) == ("a", "a+f")


@pytest.mark.parametrize("content", ["{}", '{"attempt": 1, "workers": 1, "current": 3}', "[", "[]"])
def test_order_that_names_no_release_is_an_error(tmp_path: Path, content: str):
    (tmp_path / POINTER).write_text(content)
    with pytest.raises(CorruptFileError, match=r"pointer\.json"):
        read_pointer(tmp_path)


def test_only_workers_that_live_are_heard(tmp_path: Path):
    mine = WorkerReport(os.getpid(), started_at(), 1, "a", refusal="too odd")
    write_report(tmp_path, mine)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        theirs = WorkerReport(other.pid, started_at(other.pid), 1, "a", "b", 7, 0.5)
        write_report(tmp_path, theirs)
        assert read_reports(tmp_path) == sorted([mine, theirs], key=lambda report: report.pid)
        other.communicate(b"\n")
    assert read_reports(tmp_path) == [mine]
    assert len(list((tmp_path / "workers").glob("*.json"))) == 1


def test_process_id_that_came_again_is_another_worker(tmp_path: Path):
    write_report(tmp_path, WorkerReport(os.getpid(), started_at() - 60, 1, "a"))
    assert read_reports(tmp_path) == []

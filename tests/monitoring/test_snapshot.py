import json
import logging
from pathlib import Path

import pytest

from components.errors import CorruptFileError
from components.monitoring.snapshot import (
    Snapshot,
    find_newest,
    keep,
    list_looks,
    read_all,
    read_last,
)
from components.paths import Workspace
from tests.monitoring.making import alarmed, look


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.parametrize(
    "snapshot", [look(), alarmed(), look(answers=None, feedback=None, given=None, online=())]
)
def test_look_comes_back_as_it_was_kept(workspace: Workspace, snapshot: Snapshot):
    keep(workspace, snapshot, 10)
    assert read_last(workspace) == snapshot


def test_only_the_newest_are_kept(workspace: Workspace):
    for at in (3.0, 1.0, 2.5, 1e9):
        keep(workspace, look(at), 2)
    assert [one.at for one in read_all(workspace)] == [3.0, 1e9]


def test_before_the_first_look_there_is_none(workspace: Workspace):
    assert read_last(workspace) is None
    assert find_newest(workspace) is None
    assert read_all(workspace) == []


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 2}', '{"format": 1}'])
def test_broken_look_is_named_and_the_others_are_read(
    workspace: Workspace, content: str, caplog: pytest.LogCaptureFixture
):
    keep(workspace, look(1.0), 10)
    broken = keep(workspace, look(2.0), 10)
    broken.write_text(content)
    with pytest.raises(CorruptFileError, match=f"{broken.name}.*run 'beholder monitor'"):
        read_last(workspace)
    with caplog.at_level(logging.WARNING):
        assert [one.at for one in read_all(workspace)] == [1.0]
        assert find_newest(workspace) == look(1.0)
    assert broken.name in caplog.text


def test_leftover_of_a_killed_writer_is_no_look(workspace: Workspace):
    path = keep(workspace, look(1.0), 10)
    path.with_name(f".{path.name}.1.tmp").write_text(json.dumps(look(2.0).to_json())[:50])
    assert list_looks(workspace) == [path]

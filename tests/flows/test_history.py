import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import DataError
from flows.history import HistoryFile, Point, read_points, read_table, refuse_non_finite


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return tmp_path / "train.jsonl"


def line(epoch: int, rmse: float = 0.9, phase: str = "search") -> str:
    return json.dumps({"phase": phase, "epoch": epoch, "rmse": rmse}) + "\n"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def epochs(history: HistoryFile) -> list[int]:
    return [point.step for point in history.read()]


def test_no_file_yet_holds_nothing(live: Path):
    assert HistoryFile(live).read() == []


def test_each_line_is_read_once_as_it_comes(live: Path):
    history = HistoryFile(live)
    append(live, line(1) + line(2))
    assert epochs(history) == [1, 2]
    assert epochs(history) == []
    append(live, line(3))
    assert epochs(history) == [3]


def test_line_is_read_only_when_it_is_whole(live: Path):
    history = HistoryFile(live)
    append(live, line(1) + line(2)[:10])
    assert epochs(history) == [1]
    append(live, line(2)[10:])
    assert epochs(history) == [2]


def test_what_an_earlier_training_left_is_not_read(live: Path):
    append(live, line(7))
    history = HistoryFile(live)
    assert epochs(history) == []
    live.unlink()
    append(live, line(1))
    assert epochs(history) == [1]


def test_training_that_is_gone_on_with_is_read_from_its_first_line(live: Path):
    append(live, line(1) + line(2))
    history = HistoryFile(live)
    append(live, line(3))
    assert epochs(history) == [1, 2, 3]


def test_file_that_was_replaced_is_read_anew(live: Path):
    history = HistoryFile(live)
    append(live, line(1) + line(2) + line(3))
    history.read()
    beside = live.with_suffix(".tmp")
    beside.write_text(line(1) + line(2) + line(4))
    beside.replace(live)
    assert epochs(history) == [1, 2, 4]


def test_file_that_was_cut_is_read_anew(live: Path):
    history = HistoryFile(live)
    append(live, line(1) + line(2))
    history.read()
    live.write_text(line(1))
    assert epochs(history) == [1]


def test_broken_line_of_a_killed_trainer_is_passed_over_and_said(
    live: Path, caplog: pytest.LogCaptureFixture
):
    history = HistoryFile(live)
    append(live, line(1) + line(2)[:9] + "\n" + '[1]\n"x"\n{"phase": "search"}\n' + line(3))
    assert epochs(history) == [1, 3]
    assert caplog.messages.count("training history has a broken line bytes=9") == 1


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_however_the_bytes_arrive_every_line_is_read_once(cuts: list[int]):
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        history, text, seen = HistoryFile(path), "".join(line(n) for n in range(1, 9)), []
        for cut in cuts:
            append(path, text[:cut])
            text = text[cut:]
            seen += epochs(history)
        append(path, text)
        assert seen + epochs(history) == list(range(1, 9))


def test_points_are_named_by_phase_and_what_is_no_number_is_left_out():
    row = {"phase": "served", "epoch": 2, "train_rmse": 1, "rmse": None, "note": "x", "ok": True}
    assert read_points(row) == [Point("served/train_rmse", 2, 1.0)]


def test_finished_table_has_the_names_of_the_lines(tmp_path: Path):
    table = tmp_path / "history.csv"
    table.write_text("epoch,train_rmse,rmse\n1,0.9,0.95\n2,0.8,\n")
    assert read_table(table) == [
        Point("search/train_rmse", 1, 0.9),
        Point("search/rmse", 1, 0.95),
        Point("search/train_rmse", 2, 0.8),
    ]


def test_table_without_epochs_holds_nothing(tmp_path: Path):
    table = tmp_path / "history.csv"
    table.write_text("epoch,train_rmse,rmse\n")
    assert read_table(table) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_refused_by_name_and_step(value: float):
    with pytest.raises(DataError, match=r"metric search/rmse is .* at step 3"):
        refuse_non_finite(Point("search/rmse", 3, value))

"""The command of the comparison, from its arguments to its tables."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.accuracy import main

Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what calls the command with arguments and gives what it printed."""

    def call(*arguments: object) -> str:
        monkeypatch.setattr("sys.argv", ["accuracy.py", *(str(each) for each in arguments)])
        main()
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    ("option", "value"),
    [("--models", "svd"), ("--splits", "user_time"), ("--folds", "5"), ("--peers", "netflix")],
)
def test_an_unknown_name_is_wrong_usage_that_lists_the_known_ones(
    option: str, value: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("data", option, value)
    assert ended.value.code == 2
    assert f"'{value}' is none of" in capsys.readouterr().err


def test_the_tables_and_the_numbers_come_again_without_a_fit(
    tmp_path: Path,
    write_data: Callable[[Path], None],
    run: Run,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_data(tmp_path / "data")
    options = ["--cache", tmp_path / "cache", "--peers", "none", "--models", "rules"]
    chosen = ["--splits", "random,global_time", "--folds", "0,2", "--out", tmp_path / "found.json"]
    first = run(tmp_path / "data", *options, *chosen)
    assert "### random: 2 × train and test" in first
    assert "### global_time: 1 × train and test" in first
    # Once in every table: static twice, by draw once, prequential once.
    assert first.count("Beholder rules") == 4
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found["splits"]["global_time"]) == {"best_peer", "static", "prequential"}
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert run(tmp_path / "data", *options, *chosen) == first
    assert "cached=True" in caplog.text
    assert "cached=False" not in caplog.text


def test_data_that_cannot_be_read_are_one_line(tmp_path: Path, run: Run) -> None:
    with pytest.raises(SystemExit, match=r"^error: items: .*items\.csv is no file"):
        run(tmp_path, "--cache", tmp_path / "cache", "--peers", "none")

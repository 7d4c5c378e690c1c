import io
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from components.errors import WorkspaceError
from components.packaging.pointer import (
    Place,
    Pointer,
    WorkerReport,
    started_at,
    write_pointer,
    write_report,
)
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.gate import Verdict
from flows.deploying import endpoint_folder
from flows.releases import open_registry
from flows.status import read_comparison, score_table, show_status


def draw(shown: Any, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_candidate_stands_first_and_the_ladder_from_the_best_on(comparison: Comparison):
    lines = draw(score_table(comparison))
    assert lines[0].split() == ["model", "RMSE", "95%", "interval", "candidate's", "gain"]
    assert [line.split()[0] for line in lines[1:4]] == ["hybrid", "biases", "mean"]
    assert lines[2].split()[-1] == "+0.1000"
    assert "1,234 test rows of 56 users, static" in lines[4]


def test_table_keeps_its_numbers_on_a_narrow_terminal(comparison: Comparison):
    lines = draw(score_table(comparison), width=70)
    assert any("0.8500  0.8400 – 0.8600" in line for line in lines)


def test_family_with_brackets_is_no_markup(comparison: Comparison):
    odd = replace(comparison, candidate=replace(comparison.candidate, family="[red]mine[/]"))
    assert "[red]mine[/]" in draw(score_table(odd))[1]


@pytest.fixture
def champion(
    workspace: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
) -> Any:
    place_bundles(workspace)
    version = register(workspace)
    open_registry(workspace).promote(version, None)
    return open_registry(workspace).version(version.number)


def test_champion_that_the_gate_never_compared_is_shown_as_such(
    workspace: Workspace, champion: Any, capsys: pytest.CaptureFixture[str]
):
    show_status(workspace)
    assert "version 1, made champion by hand" in capsys.readouterr().out
    with pytest.raises(WorkspaceError, match="version 1 was never compared"):
        read_comparison(champion)


def test_version_after_the_champion_is_shown_with_why_it_was_turned_down(
    workspace: Workspace,
    champion: Any,
    place_bundles: Callable[..., Any],
    register: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
):
    place_bundles(workspace, 3.5)
    latest = register(workspace)
    show_status(workspace)
    assert "version 2: not judged yet; run 'beholder retrain'" in capsys.readouterr().out
    open_registry(workspace).mark(latest, Verdict("reject", ("worse [by 0.1]",)))
    show_status(workspace)
    shown = capsys.readouterr().out
    assert "version 2: reject" in shown
    assert "worse [by 0.1]" in shown


def test_endpoint_in_a_terminal_is_named_while_it_lives(
    workspace: Workspace, champion: Any, capsys: pytest.CaptureFixture[str]
):
    folder = endpoint_folder(workspace, str(os.getpid()))
    write_pointer(folder, Pointer(1, 1, Place(str(workspace.bentos / "7"), "content")))
    write_report(folder, WorkerReport(os.getpid(), started_at(), 1, "content"))
    show_status(workspace)
    assert f"version 7, in a terminal (process {os.getpid()})" in capsys.readouterr().out
    shutil.rmtree(folder / "workers")
    show_status(workspace)
    assert "in a terminal" not in capsys.readouterr().out


def test_wrong_parameters_are_told_and_the_rest_is_shown(
    workspace: Workspace, champion: Any, capsys: pytest.CaptureFixture[str]
):
    workspace.params.write_text(workspace.params.read_text().replace("never", "every minute"))
    show_status(workspace)
    shown = capsys.readouterr().out
    assert "triggers.schedule" in shown
    assert "servers" in shown

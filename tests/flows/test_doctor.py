from collections.abc import Callable
from typing import Any

import pytest

from components.batches import Batch, write_batches
from components.paths import Workspace
from flows.doctor import Finding, check_machine, check_workspace, show_checkup
from flows.environment import enter


def look(workspace: Workspace) -> dict[str, Finding]:
    enter(workspace)
    return {finding.what: finding for finding in check_workspace(workspace)}


def test_new_workspace_lacks_data_and_a_champion_and_nothing_is_wrong(workspace: Workspace):
    found = look(workspace)
    assert {what: finding.state for what, finding in found.items()} == {
        **dict.fromkeys(("params.yaml", "dvc.yaml", "remote", "disk", "ledger", "notify"), "ok"),
        **dict.fromkeys(("data", "champion"), "warning"),
    }
    assert found["champion"].mend == "beholder retrain"
    assert found["remote"].says.endswith("here.remote")
    assert " " not in found["remote"].says


def test_batch_that_is_not_here_is_named_with_the_command_that_brings_it(workspace: Workspace):
    write_batches(workspace, (Batch("0" * 16, "0" * 64, 1, 2, 3),))
    found = look(workspace)["data"]
    assert (found.state, found.mend) == ("wrong", "beholder fetch")
    assert "1 of 1 batches" in found.says
    assert "0" * 16 in found.says


def test_damaged_batch_is_named_with_the_command_that_brings_it_back(workspace: Workspace):
    batch = Batch("0" * 16, "0" * 64, 1, 0, 0)
    write_batches(workspace, (batch,))
    (workspace.batches / batch.id).mkdir(parents=True)
    found = look(workspace)["data"]
    assert (found.state, found.mend) == ("wrong", "beholder fetch")
    assert f"batch {batch.id} is damaged" in found.says


@pytest.mark.parametrize("first_line", ["# Laid down by Beholder 0.0.1\n", ""])
def test_pipeline_of_another_version_is_a_warning(workspace: Workspace, first_line: str):
    rest = workspace.pipeline.read_text().partition("\n")[2]
    workspace.pipeline.write_text(first_line + rest)
    found = look(workspace)["dvc.yaml"]
    assert found.state == "warning"
    assert ("0.0.1" if first_line else "hand") in found.says


def test_missing_pipeline_is_wrong(workspace: Workspace):
    workspace.pipeline.unlink()
    found = look(workspace)["dvc.yaml"]
    assert found.state == "wrong"
    assert found.mend


def change_config(workspace: Workspace, old: str, new: str) -> None:
    config = workspace.root / ".dvc/config"
    content = config.read_text()
    assert old in content
    config.write_text(content.replace(old, new))


def test_no_remote_is_wrong(workspace: Workspace):
    config = workspace.root / ".dvc/config"
    config.write_text(config.read_text().partition("['remote")[0].replace("remote = storage", ""))
    found = look(workspace)["remote"]
    assert (found.state, found.says) == ("wrong", "no default")
    assert "dvc remote add -d" in found.mend


def test_remote_that_is_meant_is_the_default_one_whatever_stands_first(workspace: Workspace):
    change_config(workspace, "['remote", "['remote \"other\"']\n    url = /other\n['remote")
    assert look(workspace)["remote"].says.endswith("here.remote")
    change_config(workspace, "remote = storage", "remote = gone")
    assert look(workspace)["remote"].state == "wrong"


def test_broken_parameters_are_wrong_and_the_rest_is_looked_at(workspace: Workspace):
    workspace.params.write_text("train: 1")
    found = look(workspace)
    assert found["params.yaml"].state == "wrong"
    assert str(workspace.params) in found["params.yaml"].says
    assert found["champion"].state == "warning"


def test_champion_is_named(
    workspace: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
):
    from flows.releases import open_registry

    place_bundles(workspace)
    open_registry(workspace).promote(register(workspace), None)
    assert look(workspace)["champion"] == Finding("champion", "ok", "version 1")


def test_notifications_that_do_not_arrive_are_named(workspace: Workspace):
    from components.notices.deliveries import Delivery, keep_delivery
    from components.notices.receiver import keep_receiver, make_receiver

    keep_receiver(workspace, make_receiver("https://example.com/S3cret", None, "failed"))
    keep_delivery(workspace, Delivery("2026-11-22", False, "it answered 404"))
    found = look(workspace)["notify"]
    assert (found.state, found.mend) == ("warning", "beholder notify --test")
    assert found.says == (
        "https://example.com/… is told of failed; the last call failed: it answered 404"
    )


def test_machine_that_runs_these_tests_is_right():
    assert {finding.what: finding.state for finding in check_machine()} == dict.fromkeys(
        ("Python", "git", "uv", "torch"), "ok"
    )


def test_exit_code_and_page_say_whether_something_is_wrong(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    assert show_checkup(workspace.root) == 0
    workspace.params.write_text("train: 1")
    assert show_checkup(workspace.root) == 1
    assert f"✗ params.yaml  {workspace.params}" in capsys.readouterr().out


def test_outside_a_workspace_only_the_machine_is_looked_at(
    tmp_path, capsys: pytest.CaptureFixture[str]
):
    assert show_checkup(tmp_path) == 0
    assert "no workspace in" in capsys.readouterr().out

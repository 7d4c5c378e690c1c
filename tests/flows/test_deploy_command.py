"""`beholder deploy`: which version may answer, and what each other one is told instead."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import ConflictError, ParameterError, ServiceError, WorkspaceError
from components.packaging.pointer import (
    Place,
    Pointer,
    WorkerReport,
    read_pointer,
    started_at,
    write_pointer,
    write_report,
)
from components.packaging.release import read_release, write_release
from components.promotion.review import Standing
from flows.deploy_command import deploy_and_show, explain, find_version
from flows.deploying import Takeover, endpoint_folder
from flows.endpoint import roll_out
from flows.releases import fetch_bento
from tests.flows.desk import Desk

STANDING = Standing(2, champion=1, trial="passed", judged_beside="1 by x", would_be="1 by x")


def test_names_of_versions(desk: Desk):
    assert find_version(desk.workspace, "champion").number == 1
    assert find_version(desk.workspace, "2").number == 2
    with pytest.raises(WorkspaceError, match="no version was champion before"):
        find_version(desk.workspace, "previous")
    with pytest.raises(ParameterError, match="'newest' is no version"):
        find_version(desk.workspace, "newest")
    with pytest.raises(ServiceError, match="7"):
        find_version(desk.workspace, "7")


def test_version_that_awaits_review_is_not_deployed_and_the_review_is_named(desk: Desk):
    with pytest.raises(ConflictError, match="'beholder review approve 2 --reason …' makes it"):
        deploy_and_show(desk.workspace, "2", "")
    assert desk.champion() == 1


def test_champion_of_before_wants_a_reason(desk: Desk):
    desk.registry.promote(desk.registry.version(2), desk.registry.version(1))
    for name in ("1", "previous"):
        with pytest.raises(ParameterError, match="beholder deploy 1 --reason"):
            deploy_and_show(desk.workspace, name, " ")
    assert desk.champion() == 2


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"verdict": "promote"}, "'beholder review approve 2 --reason …' makes it champion"),
        ({"verdict": "inconclusive"}, "in doubt about it; 'beholder review show 2'"),
        ({"verdict": "reject"}, "the gate rejected it, which nobody can approve"),
        ({"trial": "failed"}, "it failed its trial, which nobody can approve"),
        ({"trial": "missing"}, "the gate has not judged it yet"),
        ({"verdict": "promote", "bad_numbers": "its RMSE is not finite"}, "nobody can approve"),
    ],
)
def test_each_version_is_refused_by_what_became_of_it(changed: dict[str, str], says: str):
    refusal = explain(replace(STANDING, **changed), "required")  # type: ignore[arg-type]
    assert refusal.startswith("version 2 cannot be deployed")
    assert says in refusal


def test_in_doubt_and_without_reviews_the_gate_has_the_last_word():
    assert "review.policy" in explain(replace(STANDING, verdict="inconclusive"), "auto")


def test_endpoint_of_other_code_keeps_answering_and_the_restart_is_named(
    desk: Desk, tmp_path: Path
):
    """A foreground endpoint whose worker is this process, and that runs other code."""
    desk.registry.promote(desk.registry.version(2), desk.registry.version(1))
    bento = fetch_bento(desk.workspace, desk.registry.version(2))
    manifest = read_release(bento)
    running = tmp_path / "running"
    write_release(running, replace(manifest, runtime="0" * 64))
    folder = endpoint_folder(desk.workspace, str(os.getpid()))
    order = Pointer(1, 1, Place(str(running), "old"))
    write_pointer(folder, order)
    write_report(folder, WorkerReport(os.getpid(), started_at(), 1, "old"))
    with pytest.raises(ConflictError, match=r"other service code or.*beholder serve --restart"):
        roll_out(desk.workspace, start=False)
    assert read_pointer(folder) == order


def test_takeover_says_how():
    assert Takeover("background", "already", 2).describe() == "answers so already, by 2 workers"
    swapped = Takeover("background", "swapped", 2, 1.34, 76, 5e-7).describe()
    assert swapped.startswith("2 workers swapped in 1.3 s, no request lost; 76 golden answers")
    assert "started in 9.0 s" in Takeover("background", "started", 2, 9.0).describe()

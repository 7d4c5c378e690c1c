import json

import pytest

from components.promotion.review import Standing
from flows.review_display import show_list, show_review, tell_judged_beside
from flows.reviewing import list_ways
from flows.status import show_status
from tests.flows.desk import Desk

Capture = pytest.CaptureFixture[str]


def test_list_shows_what_may_be_decided_and_how_to_look_at_it(desk: Desk, capsys: Capture):
    show_list(desk.workspace, every=False, as_json=False)
    shown = capsys.readouterr().out
    assert "version 2  awaiting review" in shown
    assert "beholder review show 2" in shown
    assert "version 1" not in shown
    show_list(desk.workspace, every=True, as_json=True)
    found = {one["version"]: one for one in json.loads(capsys.readouterr().out)}
    assert found[1]["state"] == "champion"
    assert found[2]["is_pending"] is True
    assert found[2]["champion"] == 1


def test_version_is_shown_with_all_that_a_decision_needs(desk: Desk, capsys: Capture):
    show_review(desk.workspace, 2, as_json=False)
    shown = capsys.readouterr().out
    for part in (
        "verdict   promote",
        "better: RMSE",
        "beside version 1, the champion",
        "candidate (hybrid)",
        "champion (mf)",
        "biases",
        "late",
        "holds",
        "trial     passed",
        *list_ways(desk.stand(2))[1:],
    ):
        assert part in shown
    show_review(desk.workspace, 2, as_json=True)
    content = json.loads(capsys.readouterr().out)
    assert content["judgement"]["decision"] == "promote"
    assert content["comparison"]["rows"] == desk.comparison.rows
    assert [entry["kind"] for entry in content["ledger"]] == ["registered", "verdict"]


def test_stale_verdict_is_shown_as_such(desk: Desk, capsys: Capture):
    desk.add(4.0)
    desk.registry.promote(desk.registry.version(3), desk.registry.version(1))
    show_review(desk.workspace, 2, as_json=False)
    shown = capsys.readouterr().out
    assert "judged beside version 1, and now the champion is version 3" in shown
    # Nobody is asked to look at what a newer champion has overtaken.
    show_list(desk.workspace, every=False, as_json=False)
    assert "nothing awaits review" in capsys.readouterr().out


def test_champion_is_of_no_old_numbers_and_shows_the_way_back(desk: Desk, capsys: Capture):
    show_review(desk.workspace, 1, as_json=False)
    shown = capsys.readouterr().out
    assert "beholder retrain  looks for a better one; it replaced nobody" in shown
    desk.registry.promote(desk.registry.version(2), desk.registry.version(1))
    show_review(desk.workspace, 2, as_json=False)
    shown = capsys.readouterr().out
    assert "judged    beside version 1, the champion then" in shown
    assert "beholder rollback --reason …  goes back to version 1" in shown
    show_review(desk.workspace, 1, as_json=False)
    shown = capsys.readouterr().out
    assert "now the champion is" not in shown
    assert "beholder rollback --to 1 --reason …  makes it champion again" in shown
    for number in (1, 2):
        show_review(desk.workspace, number, as_json=True)
        assert json.loads(capsys.readouterr().out)["is_stale"] is False


@pytest.mark.parametrize(
    ("judged_beside", "says"),
    [
        ("none by abc", "by the ladder, for there was no champion"),
        ("3 by abc", "beside version 3, the champion then"),
        (None, None),
    ],
)
def test_what_a_champion_was_judged_beside_is_told(judged_beside: str | None, says: str | None):
    assert tell_judged_beside(Standing(4, champion=4, judged_beside=judged_beside)) == says


def test_status_names_what_awaits_review_until_it_is_decided(desk: Desk, capsys: Capture):
    show_status(desk.workspace)
    assert "version 2 awaiting review; run 'beholder review show 2'" in capsys.readouterr().out
    desk.decide("reject", reason="look-alikes")
    show_status(desk.workspace)
    assert "awaiting review" not in capsys.readouterr().out
    show_review(desk.workspace, 2, as_json=False)
    assert "reject by anna: look-alikes" in capsys.readouterr().out


def test_version_that_the_gate_never_judged_is_shown_too(desk: Desk, capsys: Capture):
    desk.add(4.0)
    show_review(desk.workspace, 3, as_json=False)
    assert "the gate has not judged it" in capsys.readouterr().out

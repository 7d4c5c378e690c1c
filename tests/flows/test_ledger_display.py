import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.errors import WorkspaceError
from components.paths import Workspace
from components.promotion.gate import Verdict
from components.promotion.registry import Registry
from flows.doctor import check_workspace
from flows.ledger_display import show_ledger, verify_ledger
from flows.releases import open_registry
from flows.status import show_status


@pytest.fixture
def registry(
    workspace: Workspace, place_bundles: Callable[..., Any], register: Callable[..., Any]
) -> Registry:
    """Version 2 was champion, and somebody went back to version 1."""
    registry = open_registry(workspace)
    for mean in (3.0, 3.5):
        place_bundles(workspace, mean)
        version = register(workspace)
        registry.mark(version, Verdict("promote", (f"better [by {mean}]",)))
        registry.promote(version, registry.champion(), reason="the gate passed it")
    registry.roll_back(registry.version(1), registry.champion(), reason="odd lists", actor="anna")
    return registry


@pytest.fixture
def show(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    def draw(version: int | None = None, last: int = 30, as_json: bool = False) -> list[str]:
        show_ledger(workspace, version=version, last=last, as_json=as_json)
        return capsys.readouterr().out.splitlines()

    return draw


def test_entries_are_shown_with_who_when_and_why(registry: Registry, show):
    lines = show()
    assert any("moved: champion 2 → 1  anna" in line for line in lines)
    assert lines[-2].strip() == "odd lists"
    assert any("verdict: version 2, promote" in line for line in lines)
    assert any("better [by 3.5]" in line for line in lines)
    assert "registered: version 1" in lines[2]
    assert lines[3].strip().startswith("lineage")
    # An announced move is told by its end.
    assert not any("moving" in line for line in lines)
    assert f"of {len(registry.ledger.read().entries)} entries in" in lines[-1]
    about = "\n".join(show(version=2))
    assert "champion 1 → 2" in about
    assert "champion 2 → 1" in about
    assert "verdict: version 1" not in about


def test_json_is_every_entry_whole(registry: Registry, show):
    entries = [json.loads(line) for line in show(as_json=True)]
    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    assert "moving" in {entry["kind"] for entry in entries}
    assert len(show(as_json=True, last=2)) == 2


def test_version_that_is_not_there_is_said_with_those_that_are(registry: Registry, show):
    with pytest.raises(WorkspaceError, match=r"of version 77, only of versions 1 to 2; 'beholder"):
        show(version=77)


def test_ledger_of_no_version_leads_to_the_first(workspace: Workspace, show):
    for version in (None, 1):
        with pytest.raises(WorkspaceError, match=r"holds nothing yet; run 'beholder retrain'"):
            show(version=version)


def test_long_reason_is_whole_but_on_a_terminal_that_shows_every_version(
    registry: Registry, show, monkeypatch: pytest.MonkeyPatch
):
    reason = "odd " * 100 + "lists"
    registry.roll_back(registry.version(2), registry.version(1), reason=reason)
    assert lines_of(show()).count(reason) == 1
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "dumb")  # 80 columns, no colours
    shown = lines_of(show())
    assert reason not in shown
    assert f"       {reason[:72]}…" in shown
    assert "'beholder ledger VERSION' shows reasons whole" in shown
    assert reason in " ".join(" ".join(show(version=2)).split())


def lines_of(lines: list[str]) -> str:
    return "\n".join(lines)


def test_changed_line_is_named_by_verify_and_seen_in_the_status(
    workspace: Workspace, registry: Registry, capsys: pytest.CaptureFixture[str]
):
    assert verify_ledger(workspace) == 0
    assert "entries, unbroken, head" in capsys.readouterr().out
    file = Path(registry.ledger.place)
    *lines, last = file.read_text().splitlines()
    file.write_text("\n".join([*lines, last.replace("odd lists", "all well"), ""]))
    assert verify_ledger(workspace) == 1
    shown = capsys.readouterr().out
    assert f"✗ line {len(lines) + 1} entry {len(lines) + 1} was changed since" in shown
    show_status(workspace)
    assert f"the ledger is damaged at line {len(lines) + 1}; run" in capsys.readouterr().out


def test_status_tells_how_the_champion_came_to_be_it_or_that_a_hand_moved_the_alias(
    workspace: Workspace, registry: Registry, capsys: pytest.CaptureFixture[str]
):
    show_status(workspace)
    assert "UTC by anna: odd lists" in capsys.readouterr().out
    registry._board.point("champion", 2)
    show_status(workspace)
    shown = capsys.readouterr().out
    assert "the alias was moved past Beholder: it names version 2, the ledger version 1" in shown
    assert "'beholder rollback --to 1 --reason …' puts it back" in shown
    champion = {finding.what: finding for finding in check_workspace(workspace)}["champion"]
    assert champion.state == "wrong"
    assert "--to 1" in champion.mend

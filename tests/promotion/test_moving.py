import shutil
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConflictError
from components.promotion import moving
from components.promotion.artifacts import verify_artifacts
from components.promotion.gate import Verdict
from components.promotion.journal import FileJournal
from components.promotion.registry import Drift, Registry, Version
from components.promotion.store import Store
from components.promotion.version import TRIAL_TAG


def connect(place) -> Registry:
    return Registry(place.uri, place.model)


def aliases(place) -> dict[str, int]:
    model = Store(place.uri).client.get_registered_model(place.model)
    return {name: int(version) for name, version in model.aliases.items()}


def kinds(place) -> list[str]:
    return [entry.kind for entry in connect(place).ledger.read().entries]


def move_by_hand(place, number: int) -> None:
    Store(place.uri).client.set_registered_model_alias(place.model, "champion", str(number))


@pytest.fixture
def three(sqlite_place, three_versions: Path) -> list[Version]:
    """Three versions that have passed their trial; the first two were champion, in that order."""
    store = Path(sqlite_place.uri.removeprefix("sqlite:///"))
    shutil.copyfile(three_versions / "mlflow.db", store)
    shutil.copytree(three_versions / "ledger", store.parent / "ledger")
    return [connect(sqlite_place).version(number) for number in (1, 2, 3)]


# What the ledger tells


def test_every_registration_verdict_and_move_is_told_with_who_and_why(sqlite_place, three):
    registry = connect(sqlite_place)
    registry.mark(three[2], Verdict("reject", ("worse",)), {"comparison": "c" * 64})
    entries = registry.ledger.read().entries
    assert [entry.kind for entry in entries] == [
        *("opened", "registered", "registered", "registered"),
        *("moving", "moved", "moving", "moved", "verdict"),
    ]
    registered, moved, verdict = entries[1], entries[7], entries[8]
    assert registered.version == 1
    assert registered.evidence["digest"] == three[0].digest
    assert registered.evidence["lineage"] == "01"
    assert (moved.version, moved.actor, moved.reason) == (2, "anna", "better")
    assert moved.evidence["from"] == 1
    assert moved.evidence["intent"] == entries[6].sha256
    assert (verdict.reason, verdict.evidence["decision"]) == ("worse", "reject")
    assert verdict.evidence["comparison"] == "c" * 64
    assert registry.ledger.verify() == ()


def test_ledger_lies_beside_the_store_named_after_the_model(sqlite_place, log_model):
    registry = Registry(sqlite_place.uri, "a b%c")
    logged = log_model(sqlite_place)
    registry.register(logged, {})
    registry.register(logged, {})
    assert [entry.kind for entry in registry.ledger.read().entries] == ["opened", "registered"]
    folder = Path(sqlite_place.uri.removeprefix("sqlite:///")).parent / "ledger"
    assert [path.name for path in folder.iterdir()] == ["a%20b%25c.jsonl"]
    assert registry.ledger.place == str(folder / "a%20b%25c.jsonl")


def test_promoting_the_champion_is_not_told(sqlite_place, three):
    registry, before = connect(sqlite_place), kinds(sqlite_place)
    registry.promote(three[1], three[0])
    assert kinds(sqlite_place) == before


# Killed


class Killed(BaseException):
    """Stands for SIGKILL in the test that tries every point: nothing catches it."""


def die_after_write(patch: pytest.MonkeyPatch, number: int) -> None:
    """Die after so many writes to MLflow and to the ledger."""
    ask, append, writes = Store.ask, FileJournal._append, 0

    def count() -> None:
        nonlocal writes
        writes += 1
        if writes == number:
            raise Killed

    def ask_or_die(self: Store, what: str, call: Any) -> Any:
        answer = ask(self, what, call)
        if what.startswith(("tag", "move", "remove", "write")):
            count()
        return answer

    def append_or_die(self: FileJournal, content: bytes) -> None:
        append(self, content)
        count()

    patch.setattr(Store, "ask", ask_or_die)
    patch.setattr(FileJournal, "_append", append_or_die)


@pytest.mark.parametrize("repeat", ["promote", "roll_back"])
def test_move_killed_after_any_write_is_settled_by_the_next_and_told_once(
    sqlite_place, three, monkeypatch: pytest.MonkeyPatch, repeat: str
):
    registry = connect(sqlite_place)
    rival, champion = three[0], three[1]
    kills = 0
    while True:  # the two change places until a move has fewer writes than the kill waits for
        told = len(kinds(sqlite_place))
        with monkeypatch.context() as patch:
            die_after_write(patch, kills + 1)
            try:
                move(registry, repeat, rival, champion)
                break
            except Killed:
                kills += 1
        shown = registry.champion()
        assert shown is not None
        assert shown.number in (champion.number, rival.number)
        verify_artifacts(Store(sqlite_place.uri), shown.location, shown.digest)
        assert registry.find_drift() is None
        move(registry, repeat, rival, champion)
        assert registry.champion() == registry.version(rival.number)
        assert registry.ledger.verify() == ()
        position = registry.ledger.read().position
        assert (position.champion, position.pending) == (rival.number, None)
        new = kinds(sqlite_place)[told:]
        assert new in (["moving", "moved"], ["moving", "kept", "moving", "moved"])
        champion, rival = rival, champion
    assert kills >= 6  # moving, its mark, the champion, the previous one, moved, its mark


def move(registry: Registry, how: str, version: Version, champion: Version) -> None:
    if how == "promote":
        registry.promote(version, champion, despite_rollback=True)
    else:
        registry.roll_back(version, champion, reason="odd lists")


def test_settling_alone_ends_a_move_of_which_the_alias_came_to_be(
    sqlite_place, three, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "settle", None)
        patch.setattr(moving.Mover, "_conclude", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            connect(sqlite_place).promote(three[2], three[1], reason="best", actor="anna")
    assert kinds(sqlite_place)[-1] == "moving"
    connect(sqlite_place).settle()
    last = connect(sqlite_place).ledger.read().entries[-1]
    assert (last.kind, last.version, last.reason, last.actor) == ("moved", 3, "best", "anna")


# Moved by hand


def test_alias_moved_by_hand_is_seen_and_told_by_the_next_move(sqlite_place, three):
    registry = connect(sqlite_place)
    assert registry.find_drift() is None
    move_by_hand(sqlite_place, 3)
    assert registry.find_drift() == Drift(alias=3, ledger=2)
    registry.promote(three[1], three[2], reason="put back")
    found = registry.ledger.read().last("found")
    assert found is not None
    assert found.version == 3
    assert "the ledger's last word says version 2: it was moved past Beholder" in found.reason
    assert registry.find_drift() is None
    assert registry.ledger.read().position.found is None


def test_alias_removed_by_hand_is_seen(sqlite_place, three):
    Store(sqlite_place.uri).client.delete_registered_model_alias(sqlite_place.model, "champion")
    assert connect(sqlite_place).find_drift() == Drift(alias=None, ledger=2)


def test_version_put_there_by_hand_is_kept_only_if_it_passed_its_trial(sqlite_place, three):
    registry = connect(sqlite_place)
    move_by_hand(sqlite_place, 3)
    registry.annotate(three[2], TRIAL_TAG, "failed")
    with pytest.raises(ConflictError, match="its trial is failed"):
        registry.roll_back(three[2], three[2], reason="keep it")
    assert registry.ledger.read().position.found is not None
    registry.annotate(three[2], TRIAL_TAG, "passed")
    registry.roll_back(three[2], three[2], reason="keep it")
    position = registry.ledger.read().position
    assert (position.champion, position.found) == (3, None)
    assert not position.withdrawn


def test_champion_from_before_the_ledger_is_no_drift(sqlite_place, three):
    file = Path(connect(sqlite_place).ledger.place)
    file.unlink()
    Store(sqlite_place.uri).client.delete_registered_model_tag(
        sqlite_place.model, "beholder.ledger"
    )
    registry = connect(sqlite_place)
    assert registry.find_drift() is None
    registry.promote(three[2], three[1])
    assert kinds(sqlite_place) == ["opened", "moving", "moved"]
    assert registry.ledger.read().entries[0].version == 2


def test_lost_ledger_is_no_drift_and_the_next_move_begins_with_what_it_finds(sqlite_place, three):
    Path(connect(sqlite_place).ledger.place).unlink()
    registry = connect(sqlite_place)
    assert registry.find_drift() is None
    registry.promote(three[2], three[1])
    assert kinds(sqlite_place) == ["found", "moving", "moved"]
    assert registry.ledger.verify()[0].line == 1


# Going back


def test_going_back_twice_goes_back_two_steps(sqlite_place, three):
    registry = connect(sqlite_place)
    registry.promote(three[2], three[1])
    registry.roll_back(three[1], three[2], reason="odd lists")
    assert aliases(sqlite_place) == {"champion": 2, "previous": 1}
    registry.roll_back(three[0], three[1], reason="still odd")
    assert aliases(sqlite_place) == {"champion": 1}
    assert set(registry.ledger.read().position.withdrawn) == {2, 3}


def test_version_that_was_left_is_not_promoted_again_by_itself(sqlite_place, three):
    registry = connect(sqlite_place)
    registry.roll_back(three[0], three[1], reason="odd lists", actor="anna")
    with pytest.raises(ConflictError, match=r"anna went back from it at .*\(odd lists\)"):
        registry.promote(three[1], three[0])
    registry.promote(three[1], three[0], despite_rollback=True)
    assert not registry.ledger.read().position.withdrawn


def test_whoever_was_champion_is_remembered(sqlite_place, three):
    registry = connect(sqlite_place)
    assert [registry.was_champion(version) for version in three] == [True, True, False]


# Machines that share a server


def announce_elsewhere(place, version: Version, champion: Version) -> None:
    """Leave behind what another machine writes before it moves the alias."""
    evidence = {"purpose": "promotion", "from": champion.number, "domain": "elsewhere:/cache"}
    connect(place).ledger.append(
        "moving", version=version.number, evidence=evidence, actor="bert@there"
    )


def test_move_of_another_machine_is_waited_for_and_then_taken_for_dead(
    sqlite_place, three, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(moving, "OTHERS_SECONDS", 0.0)
    announce_elsewhere(sqlite_place, three[2], three[1])
    connect(sqlite_place).promote(three[2], three[1])
    assert kinds(sqlite_place)[-4:] == ["moving", "kept", "moving", "moved"]


def test_move_of_another_machine_that_ends_in_time_is_the_one_that_counts(
    sqlite_place, three, monkeypatch: pytest.MonkeyPatch
):
    announce_elsewhere(sqlite_place, three[2], three[1])

    def finish(_: float) -> None:
        move_by_hand(sqlite_place, 3)
        connect(sqlite_place).ledger.append("moved", version=3, evidence={"from": 2})

    monkeypatch.setattr(moving.time, "sleep", finish)
    with pytest.raises(ConflictError, match="is version 3 by now, not 2"):
        connect(sqlite_place).promote(three[0], three[1])
    assert aliases(sqlite_place)["champion"] == 3


def test_of_two_machines_that_announce_at_once_the_second_is_refused(
    sqlite_place, three, monkeypatch: pytest.MonkeyPatch
):
    check = moving.Mover._refuse_untried

    def announce_between(self: moving.Mover, version: Version) -> None:
        announce_elsewhere(sqlite_place, three[2], three[1])
        check(self, version)

    monkeypatch.setattr(moving.Mover, "_refuse_untried", announce_between)
    with pytest.raises(ConflictError, match="bert@there is making version 3 of beholder champion"):
        connect(sqlite_place).promote(three[0], three[1])
    assert aliases(sqlite_place)["champion"] == 2


def test_machine_that_slept_until_it_was_taken_for_dead_undoes_its_late_write(
    sqlite_place, three, monkeypatch: pytest.MonkeyPatch
):
    """It is woken after another has ended its move as not done, and promoted something else."""
    point = moving.Mover._point_champion

    def sleep(self: moving.Mover, *arguments: Any) -> None:
        ledger = connect(sqlite_place).ledger
        ledger.append("kept", version=2)
        ledger.append("moving", version=1, evidence={"from": 2, "domain": "elsewhere"})
        move_by_hand(sqlite_place, 1)
        ledger.append("moved", version=1, evidence={"from": 2})
        point(self, *arguments)

    monkeypatch.setattr(moving.Mover, "_point_champion", sleep)
    with pytest.raises(ConflictError, match="is version 1 by now, not 2"):
        connect(sqlite_place).promote(three[2], three[1])
    assert aliases(sqlite_place)["champion"] == 1
    assert connect(sqlite_place).find_drift() is None


def test_machine_that_got_to_write_too_late_moves_nothing(
    sqlite_place, three, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(moving, "OWN_SECONDS", -1.0)
    with pytest.raises(ConflictError, match="took too long"):
        connect(sqlite_place).promote(three[2], three[1])
    assert aliases(sqlite_place)["champion"] == 2
    monkeypatch.undo()
    connect(sqlite_place).promote(three[2], three[1])
    assert kinds(sqlite_place)[-3:] == ["kept", "moving", "moved"]

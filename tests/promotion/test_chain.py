import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import CorruptFileError
from components.promotion.chain import (
    KINDS,
    MAX_REASON,
    NOTHING,
    ROLLBACK,
    Chain,
    Entry,
    Facts,
    Flaw,
    Mark,
    find_flaws,
    read_entry,
    read_position,
    seal_entry,
)
from components.promotion.journal import Lines


def forge(*facts: Facts) -> tuple[Entry, ...]:
    """Return entries that follow one another."""
    entries: list[Entry] = []
    for number, fact in enumerate(facts, 1):
        entries.append(seal_entry(number, entries[-1].sha256 if entries else NOTHING, fact))
    return tuple(entries)


def tell(kind: str, version: int | None = None, **evidence: object) -> Facts:
    return Facts(kind, version, f"because of {kind}", evidence, "anna@here")  # type: ignore[arg-type]


TEN = forge(*(tell("verdict", number, decision="«promote»") for number in range(1, 11)))
LINES = [entry.to_line() for entry in TEN]
HEAD = Mark(10, TEN[-1].sha256)


def flaws(lines: list[bytes], mark: Mark | None = HEAD) -> tuple[Flaw, ...]:
    return find_flaws(Lines(tuple(lines)), mark)


# Entries


def test_entry_is_read_back_from_its_line():
    assert read_entry(LINES[3]) == TEN[3]
    assert TEN[3].is_whole()
    assert TEN[3].previous == TEN[2].sha256
    assert b"\n" not in LINES[3]


def test_two_entries_that_say_the_same_differ():
    first, second = (seal_entry(1, NOTHING, tell("verdict", 1)) for _ in range(2))
    assert first.sha256 != second.sha256


def test_long_reason_is_cut_and_shows_it():
    entry = seal_entry(1, NOTHING, replace(tell("verdict"), reason="x" * (MAX_REASON + 1)))
    assert len(entry.reason) == MAX_REASON
    assert entry.reason.endswith("…")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        json.dumps({**json.loads(LINES[0]), "format": 2}).encode(),
        json.dumps({**json.loads(LINES[0]), "kind": "praise"}).encode(),
        json.dumps({**json.loads(LINES[0]), "number": "1"}).encode(),
        json.dumps({**json.loads(LINES[0]), "evidence": None}).encode(),
    ],
)
def test_line_of_another_form_is_no_entry(line: bytes):
    assert read_entry(line) is None


@pytest.mark.parametrize("text", ["", "7", "x:" + NOTHING, "7:abc"])
def test_mark_of_another_form_is_refused(text: str):
    with pytest.raises(CorruptFileError, match="mark of the ledger"):
        Mark.from_text(text)


def test_mark_is_read_back():
    assert Mark.from_text(HEAD.to_text()) == HEAD


# Flaws


def test_whole_chain_has_none():
    assert flaws(LINES) == ()
    assert flaws([], None) == ()


def test_end_torn_by_a_kill_is_none():
    assert find_flaws(Lines(tuple(LINES), b'{"act'), HEAD) == ()


@given(st.integers(0, 9), st.data())
def test_any_changed_byte_is_found_in_its_line(place: int, data: st.DataObject):
    position = data.draw(st.integers(0, len(LINES[place]) - 1))
    line = bytearray(LINES[place])
    line[position] = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[position]))
    changed = [*LINES[:place], bytes(line).replace(b"\n", b" "), *LINES[place + 1 :]]
    assert place + 1 in {flaw.line for flaw in flaws(changed)}


@pytest.mark.parametrize("place", range(10))
def test_changed_entry_with_a_hash_made_to_fit_is_found(place: int):
    facts = replace(tell("verdict", 99))
    false = seal_entry(place + 1, TEN[place].previous, facts).to_line()
    found = flaws([*LINES[:place], false, *LINES[place + 1 :]])
    assert len(found) == 1
    # The next line follows another one; behind the last one stands what the registry remembers.
    assert found[0].line == min(place + 2, 10)


@pytest.mark.parametrize("place", range(9))
def test_missing_line_is_found_where_it_is_missing(place: int):
    (found,) = flaws([*LINES[:place], *LINES[place + 1 :]])
    assert found.line == place + 1
    assert found.says.startswith(f"holds entry {place + 2} where {place + 1} belongs")


@given(st.permutations(range(10)).filter(lambda order: order != sorted(order)))
def test_lines_out_of_order_are_found(order: list[int]):
    first = next(place for place, number in enumerate(order) if place != number)
    assert flaws([LINES[number] for number in order])[0].line == first + 1


@pytest.mark.parametrize("kept", range(10))
def test_cut_end_is_found(kept: int):
    (found,) = flaws(LINES[:kept])
    assert found.line == kept + 1
    assert "the registry remembers entry 10" in found.says


def test_line_twice_is_found():
    assert flaws([*LINES, LINES[-1]])[0].line == 11


def test_mark_that_a_kill_left_behind_is_none_and_no_mark_at_all_is():
    assert flaws(LINES, Mark(8, TEN[7].sha256)) == ()
    assert flaws(LINES[:1], None) == ()
    assert "a cut end would not show" in flaws(LINES, None)[0].says


# Going on after a loss


def test_next_entry_follows_what_the_registry_remembers():
    for lines in (LINES, LINES[:4], []):
        chain = Chain(Lines(tuple(lines)), TEN[: len(lines)], HEAD)
        assert (chain.next_number, chain.head) == (11, HEAD.sha256)


def test_next_entry_follows_the_last_line_where_the_mark_is_behind():
    chain = Chain(Lines(tuple(LINES)), TEN, Mark(9, TEN[8].sha256))
    assert (chain.next_number, chain.head) == (11, TEN[9].sha256)


def test_loss_stays_visible_after_the_next_entry_and_heals_when_lines_come_back():
    after = seal_entry(11, HEAD.sha256, tell("verdict", 11))
    mark = Mark(11, after.sha256)
    (lost,) = flaws([*LINES[:4], after.to_line()], mark)
    assert lost.line == 5
    assert flaws([*LINES, after.to_line()], mark) == ()


# What the entries say


def follow(*facts: Facts):
    return read_position(forge(*facts))


def test_kinds_are_named():
    assert len(set(KINDS)) == len(KINDS)


def test_nothing_is_known_of_an_empty_ledger():
    assert not follow().is_known
    assert not follow(tell("verdict", 1)).is_known


def test_champion_is_whom_the_last_move_made_one():
    position = follow(
        tell("opened"), tell("moving", 1), tell("moved", 1), tell("moving", 2, **{"from": 1})
    )
    assert (position.is_known, position.champion) == (True, 1)
    assert position.pending is not None
    assert position.pending.version == 2


def test_move_that_was_cut_off_leaves_the_champion():
    position = follow(tell("opened", 1), tell("moving", 2), tell("kept", 1))
    assert (position.champion, position.pending) == (1, None)


def test_alias_found_elsewhere_is_the_champion_until_the_next_move():
    position = follow(tell("opened", 1), tell("found", 3))
    assert position.champion == 3
    assert position.found is not None
    assert follow(tell("opened", 1), tell("found", 3), tell("moved", 2)).found is None


def back(to: int, left: int) -> Facts:
    return tell("moved", to, purpose=ROLLBACK, **{"from": left})


def test_version_that_was_left_is_withdrawn_until_it_is_champion_again():
    position = follow(tell("opened", 2), back(1, 2))
    assert set(position.withdrawn) == {2}
    assert set(follow(tell("opened", 2), back(1, 2), back(2, 1)).withdrawn) == {1}
    assert not follow(tell("opened", 2), back(1, 2), tell("moved", 2)).withdrawn


def test_rollback_is_unfinished_until_its_end_is_told():
    position = follow(tell("opened", 2), back(1, 2), tell("deployed", 1))
    assert position.unfinished is not None
    assert follow(tell("opened", 2), back(1, 2), tell("rollback", 1)).unfinished is None
    assert follow(tell("opened", 2), back(1, 2), tell("moved", 3)).unfinished is None
    assert follow(tell("opened", 2), back(1, 2), tell("found", 3)).unfinished is None


def test_last_entry_of_a_kind_is_found_by_version():
    chain = Chain(Lines(tuple(LINES)), TEN, HEAD)
    last = chain.last("verdict")
    assert last == TEN[-1]
    assert chain.last("verdict", version=4) == TEN[3]
    assert chain.last("moved") is None

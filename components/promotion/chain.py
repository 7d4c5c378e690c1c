"""The ledger as pure facts: its entries, the chain of their hashes, and what they say together."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from components.errors import CorruptFileError
from components.files import dump_canonical, hash_json
from components.promotion.journal import Lines

# An alias moves between two entries: `moving` before, `moved` after. `kept` ends a move that was
# cut off before the alias moved, `found` tells of an alias that somebody moved past the ledger.
Kind = Literal[
    "opened",
    "registered",
    "verdict",
    "decision",
    "moving",
    "moved",
    "kept",
    "found",
    "deployed",
    "refreshed",
    "rollback",
    "refused",
    "mended",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

FORMAT = 1
PROMOTION, ROLLBACK = "promotion", "rollback"  # what a move is for
APPROVE, REJECT = "approve", "reject"  # what a person decides
NOTHING = "0" * 64
MAX_REASON = 2000


@dataclass(frozen=True)
class Entry:
    """One line; `previous` is the `sha256` of the one before, `sha256` the hash of all the rest.

    `nonce` makes two entries differ that say the same, so that writers never take another's
    for their own.
    """

    number: int
    time: str
    actor: str
    kind: Kind
    version: int | None
    reason: str
    evidence: Mapping[str, Any]
    nonce: str
    previous: str
    sha256: str

    def to_line(self) -> bytes:
        """Return the line, without its end."""
        return dump_canonical({"format": FORMAT, **asdict(self)})

    def is_whole(self) -> bool:
        """Say whether the hash is that of the rest."""
        return self.sha256 == hash_json(_without_hash(asdict(self)))


@dataclass(frozen=True)
class Mark:
    """What is remembered of a ledger elsewhere: its last entry's number and hash."""

    number: int
    sha256: str

    def to_text(self) -> str:
        """Return it as the value of a tag."""
        return f"{self.number}:{self.sha256}"

    @classmethod
    def from_text(cls, text: str) -> "Mark":
        """Read it; raise CorruptFileError if it is none."""
        number, _, sha256 = text.partition(":")
        if not (number.isdigit() and len(sha256) == len(NOTHING)):
            raise CorruptFileError(f"the registry's mark of the ledger is none: {text!r}")
        return cls(int(number), sha256)


@dataclass(frozen=True)
class Flaw:
    """What is wrong with which line of a ledger, counted from 1."""

    line: int
    says: str


@dataclass(frozen=True)
class Position:
    """What the entries say of the alias: whom it names, and what is under way.

    `is_known` is False before an entry has said it. `pending` is the `moving` that nothing has
    ended, `last_move` the `moved` that counts, `found` a later entry that found the alias moved by
    hand, `unfinished` the move of a rollback of which no `rollback` tells the end. `withdrawn`
    holds, by version, the move by which somebody went back from it, `rejected`, by digest, the
    decision of a person against those bundles.
    """

    is_known: bool = False
    champion: int | None = None
    pending: Entry | None = None
    last_move: Entry | None = None
    found: Entry | None = None
    unfinished: Entry | None = None
    withdrawn: Mapping[int, Entry] = field(default_factory=dict)
    rejected: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Chain:
    """A ledger as it was read: every line that is an entry, and what nobody could read."""

    lines: Lines
    entries: tuple[Entry, ...]
    mark: Mark | None

    def last(self, *kinds: Kind, version: int | None = None) -> Entry | None:
        """Return the last entry of these kinds (of a version), None if there is none."""
        fitting = (
            entry
            for entry in reversed(self.entries)
            if entry.kind in kinds and version in (None, entry.version)
        )
        return next(fitting, None)

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written, as far as anybody remembers."""
        return not self.lines.whole and self.mark is None

    @property
    def position(self) -> Position:
        """What the entries say of the alias."""
        return read_position(self.entries)

    @property
    def next_number(self) -> int:
        """The number of the next entry: also after a loss, because the registry remembers."""
        last = self.entries[-1].number if self.entries else 0
        return max(last, len(self.lines.whole), self.mark.number if self.mark else 0) + 1

    @property
    def head(self) -> str:
        """What the next entry must follow: where the end is lost or false, the true one."""
        known = {entry.number: entry.sha256 for entry in self.entries}
        if self.mark is not None and self.mark.number == self.next_number - 1:
            return self.mark.sha256
        if not self.lines.whole:
            return NOTHING
        # An unreadable last line has no hash that anything could follow: `verify` names it.
        return known.get(self.next_number - 1, NOTHING)


@dataclass(frozen=True)
class Facts:
    """What an entry shall say."""

    kind: Kind
    version: int | None
    reason: str
    evidence: dict[str, Any]
    actor: str


def seal_entry(number: int, previous: str, facts: Facts) -> Entry:
    """Return the entry that follows `previous`, with the time of now and its hash."""
    content: dict[str, Any] = {
        **asdict(facts),
        "number": number,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "reason": shorten(facts.reason),
        "nonce": uuid.uuid4().hex[:16],
        "previous": previous,
    }
    return Entry(**content, sha256=hash_json(content))


def shorten(reason: str) -> str:
    """Return a reason within the length that an entry takes."""
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"


def read_entry(line: bytes) -> Entry | None:
    """Return the entry that a line holds, whole or not; None if it holds none."""
    try:
        content = json.loads(line)
        if content.pop("format") != FORMAT:
            return None
        entry = Entry(**content)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return entry if _is_typed(entry) else None


def _is_typed(entry: Entry) -> bool:
    texts = (entry.time, entry.actor, entry.reason, entry.nonce, entry.previous, entry.sha256)
    return (
        type(entry.number) is int
        and (entry.version is None or type(entry.version) is int)
        and entry.kind in KINDS
        and isinstance(entry.evidence, dict)
        and all(isinstance(text, str) for text in texts)
    )


def _without_hash(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "sha256"}


def find_flaws(lines: Lines, mark: Mark | None) -> tuple[Flaw, ...]:
    """Return what is wrong with a ledger's lines, and with its end by what is remembered of it.

    An end that a kill tore is none: nobody was told that it was written.
    """
    flaws: list[Flaw] = []
    number, previous, hashes = 0, NOTHING, dict[int, tuple[int, str]]()
    for place, line in enumerate(lines.whole, 1):
        entry = read_entry(line)
        if entry is None or entry.to_line() != line:
            flaws.append(Flaw(place, "is no entry: it was changed since it was written"))
            number, previous = number + 1, ""
            continue
        if not entry.is_whole():
            flaws.append(Flaw(place, f"entry {entry.number} was changed since it was written"))
        elif entry.number != number + 1:
            says = f"holds entry {entry.number} where {number + 1} belongs: "
            flaws.append(Flaw(place, f"{says}lines are missing or out of order"))
        elif previous and entry.previous != previous:
            says = f"entry {entry.number} does not follow the one before, line {place - 1}: "
            flaws.append(Flaw(place, f"{says}that one was replaced"))
        number, previous = entry.number, entry.sha256
        hashes[number] = (place, previous)
    return (*flaws, *_find_flaws_of_end(number, hashes, len(lines.whole), mark))


def _find_flaws_of_end(
    last: int, hashes: Mapping[int, tuple[int, str]], lines: int, mark: Mark | None
) -> tuple[Flaw, ...]:
    if mark is None:
        # One line and no mark is what a kill leaves at the very beginning.
        says = "the registry remembers no last entry, so a cut end would not show"
        return (Flaw(lines, says),) if lines > 1 else ()
    if last < mark.number:
        says = f"is missing: the ledger ends with entry {last}, the registry remembers"
        return (Flaw(lines + 1, f"{says} entry {mark.number}"),)
    place, found = hashes.get(mark.number, (lines, ""))
    if found != mark.sha256:
        return (Flaw(place, f"entry {mark.number} is not the one that the registry remembers"),)
    return ()


def read_position(entries: tuple[Entry, ...]) -> Position:
    """Return what entries say of the alias, the last word standing."""
    position = Position()
    for entry in entries:
        position = _follow(position, entry)
    return position


def _follow(position: Position, entry: Entry) -> Position:
    match entry.kind:
        case "opened":
            return replace(position, is_known=True, champion=entry.version)
        case "found":
            return replace(
                position, is_known=True, champion=entry.version, found=entry, unfinished=None
            )
        case "moving":
            return replace(position, pending=entry)
        case "kept":
            return replace(position, pending=None)
        case "rollback":
            return replace(position, unfinished=None)
        case "decision" if entry.evidence.get("decision") == REJECT:
            rejected = {str(entry.evidence.get("digest")): entry}
            return replace(position, rejected={**position.rejected, **rejected})
        case "moved":
            return _follow_move(position, entry)
        case _:
            return position


def _follow_move(position: Position, entry: Entry) -> Position:
    is_return, left = entry.evidence.get("purpose") == ROLLBACK, entry.evidence.get("from")
    withdrawn = dict(position.withdrawn)
    if is_return and isinstance(left, int):
        withdrawn[left] = entry
    if entry.version is not None:
        withdrawn.pop(entry.version, None)
    return Position(
        is_known=True,
        champion=entry.version,
        last_move=entry,
        unfinished=entry if is_return else None,
        withdrawn=withdrawn,
        rejected=position.rejected,
    )

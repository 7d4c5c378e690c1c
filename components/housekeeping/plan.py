"""Which versions a workspace keeps, each with its reasons, and what may go: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any


@dataclass(frozen=True)
class Piece:
    """Something that may go: what kind of thing, which, and how many bytes it takes."""

    kind: str
    name: str
    size: int


@dataclass(frozen=True)
class Kind:
    """All pieces of one kind together."""

    name: str
    pieces: int
    size: int


@dataclass(frozen=True)
class Plan:
    """The versions that stay, newest first, each with why; and the pieces that go."""

    kept: Mapping[int, tuple[str, ...]]
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """How many bytes would be free."""
        return sum(piece.size for piece in self.pieces)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The pieces by kind, in the order in which they were found."""
        grouped = groupby(self.pieces, key=lambda piece: piece.kind)
        found = [(name, list(pieces)) for name, pieces in grouped]
        return tuple(
            Kind(name, len(pieces), sum(piece.size for piece in pieces)) for name, pieces in found
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as `beholder gc --json` prints it."""
        return {
            "kept": {str(number): list(why) for number, why in self.kept.items()},
            "bytes": self.size,
            "pieces": [
                {"kind": piece.kind, "name": piece.name, "bytes": piece.size}
                for piece in self.pieces
            ],
        }


def choose_versions(
    numbers: Sequence[int], needed: Mapping[int, Sequence[str]], last: int
) -> dict[int, tuple[str, ...]]:
    """Return the versions that stay: those that are needed, and the newest `last` of all.

    `numbers` are all versions, `needed` says of some why they must stay.
    """
    newest = sorted(numbers, reverse=True)
    among = set(newest[:last])
    recent = "the newest" if last == 1 else f"among the newest {last}"
    reasons = {
        number: (*needed.get(number, ()), *((recent,) if number in among else ()))
        for number in newest
    }
    return {number: why for number, why in reasons.items() if why}

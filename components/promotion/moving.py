"""Moving the alias `champion`: compare-and-set between two entries of the ledger.

The ledger says that the alias will move (`moving`), then it moves, then the ledger says that it
did (`moved`). Whoever comes after a kill finds the first without the second, and the alias tells
which of both is true. Machines that share a server share no lock; there the entry itself decides,
because of two that are written in one place the server takes one.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from components.errors import ConflictError
from components.promotion.chain import PROMOTION, ROLLBACK, Chain, Entry, Position
from components.promotion.ledger import Ledger
from components.promotion.version import NOBODY, REPLACED_TAG, TRIAL_TAG, Version

CHAMPION, PREVIOUS = "champion", "previous"

# Where machines share a server, a move waits so long for one that another machine has begun, and
# a machine begins no write to the alias later than the second number after it has said that it
# will. A write with all its retries takes less than the difference, so who has waited writes last.
OTHERS_SECONDS = 180.0
OWN_SECONDS = 20.0
_POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


class Board(Protocol):
    """The aliases and tags of one registered model, each call a write or a read of its own."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def domain(self) -> str:
        """Whom the registry's lock keeps apart."""

    def aliases(self) -> dict[str, int]:
        """Return which version each alias names."""

    def point(self, alias: str, number: int) -> None:
        """Let an alias name a version."""

    def unpoint(self, alias: str) -> None:
        """Remove an alias."""

    def find_version(self, number: int) -> Version | None:
        """Return a version, None if there is none of that number."""

    def tag_version(self, number: int, key: str, value: str) -> None:
        """Write a tag on a version."""


@dataclass(frozen=True)
class Move:
    """Whom to make champion, instead of whom, and what the ledger shall say of it.

    `check` is asked at the last moment before the ledger announces the move, and may raise.
    """

    version: Version
    expected: Version | None
    check: Callable[[], None]
    purpose: str = PROMOTION
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    actor: str | None = None
    despite_rollback: bool = False


class Mover:
    """Moves the alias of one model; the caller holds the registry's lock."""

    def __init__(self, board: Board, ledger: Ledger) -> None:
        self._board = board
        self._ledger = ledger

    def move(self, move: Move) -> None:
        """Make a version champion, if the champion still is the expected one.

        Raises ConflictError if it is not, if the version did not pass its trial, or if somebody
        went back from it.
        """
        self.settle()
        champion = self._champion()
        position = self._record_found(champion)
        is_champion = champion == move.version.number
        if is_champion and position.found is None:
            self.settle_previous()
            return
        if not is_champion:
            self._refuse_moved(champion, move.expected)
        self._refuse_untried(move.version)
        if not move.despite_rollback:
            self._refuse_withdrawn(move.version, position)
        move.check()
        intent = self._announce(move, champion)
        if not is_champion:
            self._point_champion(move.version, champion, intent)
        self._conclude(intent)
        log.info("champion moved from=%s to=%d", champion, move.version.number)

    def settle_previous(self) -> None:
        """Let the alias `previous` follow from the champion."""
        aliases = self._board.aliases()
        champion = aliases.get(CHAMPION)
        version = None if champion is None else self._board.find_version(champion)
        replaced = None if version is None else version.replaced
        previous = None if replaced is None else self._board.find_version(replaced)
        if previous is None and PREVIOUS in aliases:
            self._board.unpoint(PREVIOUS)
        elif previous is not None and aliases.get(PREVIOUS) != previous.number:
            self._board.point(PREVIOUS, previous.number)

    def _champion(self) -> int | None:
        return self._board.aliases().get(CHAMPION)

    # What a kill or a hand left

    def settle(self) -> None:
        """End in the ledger a move that was cut off: the alias tells whether it came to it.

        Waits for one that another machine has begun.
        """
        intent = self._ledger.read().position.pending
        if intent is not None and intent.evidence.get("domain") != self._board.domain:
            intent = self._await_end(intent)
        if intent is None:
            return
        champion = self._champion()
        log.warning("a move was cut off to=%s champion=%s", intent.version, champion)
        if champion == intent.version:
            self.settle_previous()
            self._conclude(intent)
            return
        self._ledger.append(
            "kept",
            version=champion,
            reason=f"the move to version {intent.version} was cut off before the alias moved",
            evidence={"intent": intent.sha256},
            check=lambda chain: self._refuse_ended(chain, intent),
        )

    def _await_end(self, intent: Entry) -> Entry | None:
        """Wait for a move that another machine has begun; return it if it does not end."""
        deadline = time.monotonic() + OTHERS_SECONDS
        log.warning("waiting for a move by another machine actor=%s", intent.actor)
        while time.monotonic() < deadline:
            if not _is_pending(self._ledger.read(), intent):
                return None
            time.sleep(_POLL_SECONDS)
        return intent

    def _record_found(self, champion: int | None) -> Position:
        """Tell the ledger of an alias that was moved past it, and return what it then says."""
        chain = self._ledger.read()
        position = chain.position
        if chain.is_new or (position.is_known and position.champion == champion):
            return position
        known = f"says version {position.champion or NOBODY}" if position.is_known else "is lost"
        self._ledger.append(
            "found",
            version=champion,
            reason=f"the alias {CHAMPION} names version {champion or NOBODY}, the ledger's last "
            f"word {known}: it was moved past Beholder",
        )
        return self._ledger.read().position

    # The move itself

    def _announce(self, move: Move, champion: int | None) -> Entry:
        """Say in the ledger that the alias will move; of two who do at once, one is refused."""

        def check(chain: Chain) -> None:
            position = chain.position
            if position.pending is not None:
                raise ConflictError(
                    f"{position.pending.actor} is making version {position.pending.version} of "
                    f"{self._board.name} champion; see 'beholder ledger', then try again"
                )
            if position.is_known and position.champion != champion:
                self._refuse(position.champion, champion)
            if not move.despite_rollback:
                self._refuse_rejected(move.version, position)

        return self._ledger.append(
            "moving",
            version=move.version.number,
            reason=move.reason,
            evidence={
                **move.evidence,
                "purpose": move.purpose,
                "from": champion,
                "digest": move.version.digest,
                "domain": self._board.domain,
            },
            actor=move.actor,
            check=check,
        )

    def _point_champion(self, version: Version, champion: int | None, intent: Entry) -> None:
        announced = time.monotonic()
        # Who comes back keeps the one that it replaced when it was promoted.
        if intent.evidence["purpose"] != ROLLBACK or not version.has_replaced:
            self._board.tag_version(version.number, REPLACED_TAG, str(champion or NOBODY))
        if time.monotonic() - announced > OWN_SECONDS:
            raise ConflictError(
                f"MLflow took too long to make version {version.number} of {self._board.name} "
                "champion, so nothing was moved; try again"
            )
        self._board.point(CHAMPION, version.number)
        self.settle_previous()

    def _conclude(self, intent: Entry) -> None:
        """Say in the ledger that the alias has moved, unless another machine said otherwise."""
        chain = self._ledger.read()
        if _is_pending(chain, intent):
            self._ledger.append(
                "moved",
                version=intent.version,
                reason=intent.reason,
                evidence={**intent.evidence, "intent": intent.sha256},
                actor=intent.actor,
                check=lambda latest: self._refuse_ended(latest, intent),
            )
            return
        champion = chain.position.champion
        if champion != intent.version:
            # We slept so long that another machine took us for dead, and wrote after it: undo that.
            if champion is not None:
                self._board.point(CHAMPION, champion)
            self._refuse(champion, intent.evidence["from"])

    # Refusals

    def _refuse_moved(self, champion: int | None, expected: Version | None) -> None:
        wanted = None if expected is None else expected.number
        if champion != wanted:
            self._refuse(champion, wanted)

    def _refuse(self, found: int | None, wanted: int | None) -> NoReturn:
        raise ConflictError(
            f"the champion of {self._board.name} is version {found or NOBODY} by now, not "
            f"{wanted or NOBODY}; run 'beholder retrain' to compare with the new one"
        )

    def _refuse_ended(self, chain: Chain, intent: Entry) -> None:
        if not _is_pending(chain, intent):
            raise ConflictError(
                f"another machine has ended the move of {self._board.name} to version "
                f"{intent.version} meanwhile; see 'beholder ledger', then try again"
            )

    def _refuse_untried(self, version: Version) -> None:
        trial = version.tags.get(TRIAL_TAG, "missing")
        if trial != "passed":
            raise ConflictError(
                f"version {version.number} of {self._board.name} cannot be promoted, its trial is "
                f"{trial}; run 'beholder retrain' for one that passes"
            )

    def _refuse_withdrawn(self, version: Version, position: Position) -> None:
        move = position.withdrawn.get(version.number)
        if move is not None:
            raise ConflictError(
                f"version {version.number} of {self._board.name} is not promoted again by itself: "
                f"{describe_withdrawal(move)}; 'beholder rollback --to {version.number} "
                "--reason …' brings it back"
            )

    def _refuse_rejected(self, version: Version, position: Position) -> None:
        decision = position.rejected.get(version.digest)
        if decision is not None:
            raise ConflictError(
                f"version {version.number} of {self._board.name} is not promoted: "
                f"{describe_rejection(decision)}; 'beholder rollback --to {version.number} "
                "--reason …' tries it, and takes it all the same"
            )


def describe_rejection(decision: Entry) -> str:
    """Return who rejected a version, when and why."""
    return f"{decision.actor} rejected it at {decision.time} ({decision.reason})"


def describe_withdrawal(move: Entry) -> str:
    """Return who went back from a version, when and why."""
    return f"{move.actor} went back from it at {move.time} ({move.reason})"


def _is_pending(chain: Chain, intent: Entry) -> bool:
    pending = chain.position.pending
    return pending is not None and pending.sha256 == intent.sha256

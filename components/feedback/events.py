"""What a user did: one event, and what the log says of it."""

from dataclasses import asdict, dataclass
from typing import Literal

from components.errors import BeholderError, ConflictError
from components.files import hash_json

Kind = Literal["rating", "view", "click"]


@dataclass(frozen=True)
class Event:
    """One thing that a user did with an item, as its sender told it.

    `value` is the rating, None for what is none. `timestamp` is in seconds since 1970, None where
    the sender did not say when. `request_id`, `version` and `lineage_id` name the answer that it
    is about and the model that gave it.
    """

    event_id: str
    user_id: str
    item_id: str
    kind: Kind
    value: float | None = None
    timestamp: int | None = None
    request_id: str | None = None
    version: str | None = None
    lineage_id: str | None = None

    def digest(self) -> str:
        """Return the hash of all that was told: what is sent twice is the same both times."""
        return hash_json(asdict(self))


@dataclass(frozen=True)
class Stored:
    """What became of a request's events: so many are new, so many were stored before."""

    new: int
    repeated: int


@dataclass(frozen=True)
class Remembered:
    """A rating that the log holds."""

    item_id: str
    rating: float
    timestamp: int


@dataclass(frozen=True)
class Told:
    """An event that names the answer that it is about; `value` is the rating, None without one."""

    caller: str
    request_id: str
    user_id: str
    item_id: str
    kind: Kind
    value: float | None
    timestamp: int
    stored_at: float


class RepeatedIdError(ConflictError):
    """An event id that is stored already with other content; `event_id` names it."""

    def __init__(self, event_id: str) -> None:
        super().__init__(
            f"event_id {event_id!r} is stored already with other content; send each event under "
            "an id of its own"
        )
        self.event_id = event_id


class LogBusyError(BeholderError):
    """The log takes nothing now: too much waits, or another process holds it for too long."""

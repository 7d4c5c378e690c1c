"""What became of calls to the receiver, as the worker saw it last: a note for people."""

from dataclasses import asdict, dataclass
from typing import Any

from components.errors import CorruptFileError
from components.files import read_json, write_json
from components.paths import Workspace


@dataclass(frozen=True)
class Delivery:
    """One call: when (an ISO time), whether it arrived, and what was answered or went wrong."""

    at: str
    arrived: bool
    says: str


@dataclass(frozen=True)
class Deliveries:
    """The last call, and the last that failed."""

    last: Delivery | None = None
    failed: Delivery | None = None


def keep_delivery(workspace: Workspace, made: Delivery) -> None:
    """Remember a call."""
    failed = read_deliveries(workspace).failed if made.arrived else made
    write_json(workspace.deliveries, asdict(Deliveries(made, failed)))


def read_deliveries(workspace: Workspace) -> Deliveries:
    """Return what is remembered; nothing where the note is missing or damaged."""
    if not workspace.deliveries.exists():
        return Deliveries()
    try:
        content: dict[str, Any] = read_json(workspace.deliveries)
        last, failed = (content[name] and Delivery(**content[name]) for name in ("last", "failed"))
    except (CorruptFileError, TypeError, KeyError):
        return Deliveries()
    return Deliveries(last, failed)

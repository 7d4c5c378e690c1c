"""What a person writes on a version in MLflow's UI, and what we write back beside it: pure text."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from components.promotion.review import Decision

REVIEW_TAG = "beholder.review"
RESULT_TAG = "beholder.review_result"

# approve [NUMBERS] [by NAME] [: reason]
_GRAMMAR = re.compile(
    r"(?P<decision>approve|reject)"
    r"(?:\s+(?P<seen>[0-9a-f]{8}))?"
    r"(?:\s+by\s+(?P<reviewer>[^:]*[^:\s]))?"
    r"\s*(?::\s*(?P<reason>.*))?",
    re.DOTALL | re.IGNORECASE,
)
_LONGEST = 300
_ARROW = " → "
_STARTING, _RUNNING = "starting ", "at work as flow run "


@dataclass(frozen=True)
class Wish:
    """What a tag asks for."""

    decision: Decision
    reason: str
    reviewer: str
    seen: str


@dataclass(frozen=True)
class Progress:
    """How far a tag's value has come: `id` names the attempt, and then its flow run."""

    phase: Literal["new", "starting", "running", "done"]
    id: str = ""


def read_wish(value: str) -> Wish | None:
    """Return what a tag asks for; None if it cannot be understood."""
    found = _GRAMMAR.fullmatch(value.strip())
    if found is None:
        return None
    decision: Decision = "approve" if found["decision"].lower() == "approve" else "reject"
    seen = (found["seen"] or "").lower()
    return Wish(decision, (found["reason"] or "").strip(), found["reviewer"] or "", seen)


def read_progress(value: str, result: str) -> Progress:
    """Return how far a value of the tag has come, by the result that stands beside it."""
    head = _quote(value) + _ARROW
    if not result.startswith(head):
        return Progress("new")
    rest = result.removeprefix(head)
    if rest.startswith(_STARTING):
        return Progress("starting", rest.removeprefix(_STARTING))
    if rest.startswith(_RUNNING):
        return Progress("running", rest.removeprefix(_RUNNING))
    return Progress("done")


def write_starting(value: str, attempt: str) -> str:
    """Return the result of a value that is about to be started, once, under this name."""
    return write_result(value, f"{_STARTING}{attempt}")


def write_running(value: str, run_id: str) -> str:
    """Return the result of a value that a flow run is working on."""
    return write_result(value, f"{_RUNNING}{run_id}")


def write_result(value: str, says: str) -> str:
    """Return the result of a value: both, so that nobody takes it for another's."""
    return f"{_quote(value)}{_ARROW}{says}"


def _quote(value: str) -> str:
    """Return a value as it is; a long one cut, with the hash that tells it from others."""
    text = " ".join(value.split())
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… ({sha256(value.encode()).hexdigest()[:8]})"

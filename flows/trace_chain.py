"""The chain from data to an answer, link by link, as `beholder trace` found it; nothing but facts.

A link of which nothing is left is `Missing`, with the reason: in JSON an object with that one key.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from components.answers.answered import Answered
from components.promotion.chain import Entry

_TAKEN_UP = ("deployed", "refreshed")


@dataclass(frozen=True)
class Missing:
    """A link that is not there any more, and why."""

    missing: str


@dataclass(frozen=True)
class BatchLink:
    """A batch as a version learnt from it; `md5` is DVC's, `is_listed` whether it still counts."""

    id: str
    sha256: str
    ratings: int
    items: int
    images: int
    md5: str | None
    is_listed: bool


@dataclass(frozen=True)
class DataLink:
    """What came in, and what the steps made of it: DVC's md5 by path."""

    version: str
    batches: tuple[BatchLink, ...] | Missing
    outputs: Mapping[str, str] | Missing


@dataclass(frozen=True)
class RunLink:
    """The retraining as MLflow has it; times are UTC, `device` is where it learnt."""

    run_id: str
    name: str
    status: str
    is_deleted: bool
    started: str
    seconds: float | None
    reason: str
    workspace: str
    device: str | None


@dataclass(frozen=True)
class CodeLink:
    """The digest of each step's source, and the commits: of the source, of the workspace."""

    steps: Mapping[str, str] | Missing
    commit: str | None
    workspace_commit: str | None
    packages: str


@dataclass(frozen=True)
class VerdictLink:
    """What the gate said, by which policy, on which comparison and trial."""

    decision: str
    reasons: tuple[str, ...]
    trial: str | None
    judgement: Mapping[str, Any] | None
    comparison: Mapping[str, Any] | None


@dataclass(frozen=True)
class BentoLink:
    """The version's Bento on this disk; `is_whole` whether every file is as it was built."""

    tag: str
    content: str
    path: str
    is_whole: bool


@dataclass(frozen=True)
class NowLink:
    """What answers at this workspace's endpoint now; None if nothing does."""

    url: str | None
    version: str | None


@dataclass(frozen=True)
class Trace:
    """One version and everything that it hangs together with."""

    asked: str
    found_by: str
    version: int
    lineage_id: str | None
    digest: str
    aliases: tuple[str, ...]
    same_lineage: tuple[int, ...]
    artifacts: str | Missing
    data: DataLink
    validation: Mapping[str, Any] | Missing
    run: RunLink | Missing
    parameters: Mapping[str, str] | Missing
    code: CodeLink
    metrics: Mapping[str, float] | Missing
    verdict: VerdictLink | Missing
    ledger: tuple[Entry, ...]
    bento: BentoLink | Missing
    now: NowLink

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return _plain(self)

    @property
    def decisions(self) -> tuple[Entry, ...]:
        """The ledger's entries but for deployments and refreshed catalogues."""
        return tuple(entry for entry in self.ledger if entry.kind not in _TAKEN_UP)

    @property
    def deployments(self) -> tuple[Entry, ...]:
        """When its Bento began to answer, and where; and when its catalogue was refreshed."""
        return tuple(entry for entry in self.ledger if entry.kind in _TAKEN_UP)


@dataclass(frozen=True)
class AnswerTrace:
    """What was answered to requests of an id, oldest first, and the chain behind the last one."""

    asked: str
    request_id: str
    answers: tuple[Answered, ...]
    chain: Trace | Missing

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return _plain(self) | {"answers": [_plain_answer(one) for one in self.answers]}


@dataclass(frozen=True)
class Learner:
    """A version that learnt from what was asked for."""

    version: int
    lineage_id: str | None
    data_version: str | None
    run_id: str
    registered: str | None
    verdict: str | None
    aliases: tuple[str, ...]
    answers_now: bool


@dataclass(frozen=True)
class ItemLink:
    """An item as the champion's catalogue has it: the listed batches that name it, oldest first.

    `way` is how it is served: "learnt" by the champion, from "images" or by the "prior" since it
    was "added" by the catalogue of that name, or not at all (None). `is_available` says whether it
    may be recommended.
    """

    batches: tuple[str, ...]
    way: str | None
    added: str | None
    is_available: bool


@dataclass(frozen=True)
class Descent:
    """Data, and the versions that learnt from it, newest first.

    `unknown` are versions of which nobody can tell any more, with the reason. `item` is how an
    item is served, where one was asked for.
    """

    asked: str
    kind: str
    id: str
    says: str
    batch: BatchLink | None
    learners: tuple[Learner, ...]
    unknown: Mapping[int, str]
    item: ItemLink | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return _plain(self)


def _plain(value: Trace | Descent | AnswerTrace) -> dict[str, Any]:
    content: dict[str, Any] = asdict(value)
    # A metric may be NaN in a store that others write to: programs get null for it.
    return dict(json.loads(json.dumps(_finite(content))))


def _plain_answer(answered: Answered) -> dict[str, Any]:
    """Return an answer with its time in UTC, and without the id that all of them share."""
    facts = {"time": tell_time(answered.at), **answered._asdict()}
    del facts["at"], facts["request_id"]
    return dict(_finite(facts))


def tell_time(seconds: float) -> str:
    """Return seconds since 1970 as a time in UTC, to the second."""
    when = datetime.fromtimestamp(seconds, UTC)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value

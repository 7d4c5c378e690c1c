"""All that the page for the reviewer shows, gathered before a line of it is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.promotion.comparison import Comparison
from components.promotion.gate import TrialFacts, Verdict
from components.review.changes import Changes, Inputs
from components.review.people import People


@dataclass(frozen=True)
class StageCost:
    """What one stage cost in the version's run; `seconds` is None where it was up to date."""

    stage: str
    seconds: float | None = None
    memory_mb: float | None = None
    device: str | None = None
    device_memory_mb: float | None = None


@dataclass(frozen=True)
class Review:
    """One judged version of the registered model `model`.

    `rival` is the version that it was judged beside: None where there was no champion, and where
    that version is registered no more. `trial` and `changes` are None where nobody kept them.
    `lineage` holds ids and digests by name, in the order of the page. `evidence` is the hash of
    what was judged, by which a page that is still right is known. `policy` says who decides, and
    `seen` names the numbers that an approval rests on.
    """

    model: str
    version: int
    rival: int | None
    verdict: Verdict
    comparison: Comparison
    trial: TrialFacts | None
    inputs: Inputs
    changes: Changes | None
    people: People
    costs: tuple[StageCost, ...]
    lineage: Mapping[str, str]
    evidence: str
    policy: Literal["auto", "required"] = "required"
    seen: str = ""

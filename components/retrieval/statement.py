"""How a release finds its lists, as release.json and GET /model state it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Way = Literal["exact", "index"]


@dataclass(frozen=True)
class Search:
    """How one kind of list is found: by the scores of all items, or of those that an index names.

    `name` is the index in faiss's own words, `recall` the share of the exact first `k` that it
    found, on average over `questions`. Exact search has a recall of 1 by definition.
    """

    way: Way = "exact"
    name: str = ""
    probes: int = 0
    shortlist: int = 0
    k: int = 0
    questions: int = 0
    recall: float = 1.0

    def describe(self) -> str:
        """Return it in words."""
        if self.way == "exact":
            return "exact"
        return f"{self.name}, recall@{self.k} {self.recall:.4f}"


@dataclass(frozen=True)
class Statement:
    """Both kinds of lists: `tastes` by rating, `looks` by likeness."""

    tastes: Search = field(default_factory=Search)
    looks: Search = field(default_factory=Search)

    def parts(self) -> dict[str, Search]:
        """Return the two by name."""
        return {"tastes": self.tastes, "looks": self.looks}

    def to_json(self) -> dict[str, Any]:
        """Return it as release.json holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Statement":
        """Return what `to_json` gave; raise TypeError or KeyError for anything else."""
        return cls(Search(**content["tastes"]), Search(**content["looks"]))

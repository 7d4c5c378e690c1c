"""What people are told: one thing that happened, why, and what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from components.promotion.comparison import Comparison

Kind = Literal["review", "promoted", "rejected", "failed", "drift"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Receivers cut what is longer, Discord at 2,000 characters.
MAX_TEXT = 1_900
_MAX_SAYS = 300


@dataclass(frozen=True)
class Notice:
    """One thing that happened in the workspace at `root`, in one sentence: `says`.

    `asked_by` is what brought it about, `next` holds commands, `link` leads to a page; all of them
    may be empty.
    """

    kind: Kind | Literal["test"]
    root: str
    says: str
    version: int | None = None
    reasons: tuple[str, ...] = ()
    asked_by: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    next: tuple[str, ...] = ()
    link: str = ""

    def to_text(self) -> str:
        """Return it as a few lines of plain text; the reasons are cut if it is too long."""
        first = f"{self.root.rpartition('/')[2]}: {shorten(self.says, _MAX_SAYS)}"
        before = [first, *([_describe_numbers(self.numbers)] if self.numbers else [])]
        after = [f"asked by: {shorten(self.asked_by, _MAX_SAYS)}"] if self.asked_by else []
        after += [f"next: {line}" for line in self.next]
        after += [self.link] if self.link else []
        room = MAX_TEXT - sum(len(line) + 1 for line in (*before, *after))
        why = [shorten(f"why: {'; '.join(self.reasons)}", room)] if self.reasons else []
        return shorten("\n".join((*before, *why, *after)), MAX_TEXT)

    def to_payload(self) -> dict[str, Any]:
        """Return the payload of its event; `text` is for whoever reads nothing else."""
        return {
            "kind": self.kind,
            "workspace": self.root,
            "says": self.says,
            "version": self.version,
            "reasons": list(self.reasons),
            "asked_by": self.asked_by,
            "rmse": dict(self.numbers),
            "next": list(self.next),
            "link": self.link,
            "text": self.to_text(),
        }


def read_numbers(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison's numbers: RMSE of the candidate and the champion, and their difference.

    NaN and infinity become None, for JSON knows neither.
    """
    content = comparison.to_json()
    champion, difference = content["champion"], content["difference"]
    return {
        "candidate": content["candidate"]["rmse"],
        "champion": None if champion is None else champion["rmse"],
        "difference": difference,
        "level": comparison.level,
        "rows": comparison.rows,
        "users": comparison.users,
    }


def shorten(text: str, length: int) -> str:
    """Return a text that is no longer than `length`, with … where it was cut."""
    return text if len(text) <= length else f"{text[: max(length - 1, 0)]}…"


def _describe_numbers(numbers: Mapping[str, Any]) -> str:
    says = f"RMSE {_interval(numbers['candidate'])}"
    if numbers["champion"] is not None:
        says += f", the champion's {_interval(numbers['champion'])}"
    return f"{says}, on {numbers['rows']:,} test ratings ({numbers['level']:.0%} intervals)"


def _interval(value: Mapping[str, float | None]) -> str:
    if value["value"] is None:
        return "is no number"
    ends = [value["low"], value["high"]]
    shown = " – ".join("?" if end is None else f"{end:.4f}" for end in ends)
    return f"{value['value']:.4f} ({shown})"

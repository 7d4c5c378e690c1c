"""Names and numbers as a person reads them."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from components.statistics import Interval

_SLICES = {
    "all": "All test ratings",
    "warm": "Known user, known item",
    "cold_user": "New user",
    "cold_item": "New item",
    "few_ratings": "Users with few ratings",
    "many_ratings": "Users with many ratings",
    "recent_item": "Items first rated lately",
    "old_item": "Items rated for long",
    "early": "Earlier half of the test",
    "late": "Later half of the test",
}
_FAMILIES = {
    "mean": "One number for all",
    "popularity": "Item averages",
    "rules": "Recent averages by category",
    "biases": "User and item averages",
    "content": "Looks alone",
    "mf": "Matrix factorization",
    "svdpp": "Factors and what was rated",
    "hybrid": "Hybrid with images",
    "gru": "Sequence by recurrence",
    "sasrec": "Sequence by attention",
    "finetuned": "Fine-tuned network",
}
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def name_family(family: str) -> str:
    """Return a family's name in plain words."""
    return _FAMILIES.get(family, family)


def name_slice(name: str) -> str:
    """Return a slice's name in plain words; a category has its own."""
    return _SLICES.get(name, name.removeprefix("category "))


def order_slices(rows: Mapping[str, int]) -> list[str]:
    """Return names of slices, given with their rows, as people read them: the categories last."""
    known = list(_SLICES)
    return sorted(
        rows,
        key=lambda name: (known.index(name) if name in known else len(known), -rows[name], name),
    )


def describe_gain(gain: Interval) -> str:
    """Return what a paired difference says: better (below zero), worse, a tie or no number."""
    if not math.isfinite(gain.value):
        return "no number"
    if gain.high < 0:
        return "better"
    return "worse" if gain.low > 0 else "a tie"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return how many there are, with what they are or do: 1 item waits, 2,000 items wait."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def describe_moment(seconds: float) -> str:
    """Return a moment, in seconds since 1970, as a person reads it: 2026-11-22 14:22 UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def describe_bytes(count: int) -> str:
    """Return a number of bytes as a person reads it: 17.4 MB."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def describe_seconds(seconds: float) -> str:
    """Return a duration as a person reads it: 40 ms, 7.2 s, 12 min."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"

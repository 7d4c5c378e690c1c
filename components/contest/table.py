"""The families ranked: their standings with what their lists are worth and what they cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from components.contest.entry import Entry
from components.evaluation.accuracy import rmse
from components.evaluation.contest import Standing, rank_models
from components.evaluation.lists import ListQuality
from components.evaluation.measurement import Truth
from components.models.catalogue import Bools
from components.params import Evaluate
from components.statistics import Interval


@dataclass(frozen=True)
class Place:
    """A family's standing. Lists, bytes and milliseconds are of its first seed.

    `seconds` to train are the mean over its seeds.
    """

    standing: Standing
    lists: ListQuality
    epochs: int
    valid_rmse: float | None
    seconds: float
    bytes: int
    list_ms: float
    list_ms_p99: float


@dataclass(frozen=True)
class SliceRow:
    """The RMSE of each family on a part of the test rows, the mean over its seeds."""

    name: str
    rows: int
    rmse: Mapping[str, float]


@dataclass(frozen=True)
class Contest:
    """What came of it: places, best first, and what they were found on.

    `inputs` holds the digests of all that was read, the test rows' as `test`.
    """

    strategy: str
    rows: int
    users: int
    k: int
    relevant_from: float
    level: float
    inputs: Mapping[str, str]
    places: Sequence[Place]
    slices: Sequence[SliceRow]


def rank_entries(truth: Truth, entries: Sequence[Entry], evaluate: Evaluate) -> list[Place]:
    """Return the families' places by RMSE; a family's entries differ by their seeds."""
    by_family = _group(entries)
    rated = {family: [entry.rated_N for entry in own] for family, own in by_family.items()}
    return [
        _place(standing, by_family[standing.name])
        for standing in rank_models(truth, rated, evaluate)
    ]


def rank_by_slice(
    truth: Truth, entries: Sequence[Entry], slices: Mapping[str, Bools]
) -> list[SliceRow]:
    """Return each family's RMSE on each of some parts of the test rows."""
    return [
        SliceRow(
            name,
            int(rows_N.sum()),
            {
                family: float(
                    np.mean([rmse(truth.ratings_N[rows_N], e.rated_N[rows_N]) for e in own])
                )
                for family, own in _group(entries).items()
            },
        )
        for name, rows_N in slices.items()
    ]


def to_frame(places: Sequence[Place]) -> pd.DataFrame:
    """Return one row a family, best first, as table.csv holds it; an unknown number is NaN."""
    return pd.DataFrame([_flatten(place) for place in places])


def to_json(contest: Contest) -> dict[str, Any]:
    """Return comparison.json; a number that is not finite is null."""
    content = {**asdict(contest), "places": [_flatten(place) for place in contest.places]}
    cleaned: dict[str, Any] = _clean(content)
    return cleaned


def _group(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    by_family: dict[str, list[Entry]] = {}
    for entry in entries:
        by_family.setdefault(entry.family, []).append(entry)
    return by_family


def _place(standing: Standing, own: Sequence[Entry]) -> Place:
    first = own[0]
    return Place(
        standing,
        first.lists,
        first.epochs,
        first.valid_rmse,
        float(np.mean([entry.cost.seconds for entry in own])),
        first.cost.bytes,
        first.cost.list_ms,
        first.cost.list_ms_p99,
    )


def _flatten(place: Place) -> dict[str, Any]:
    standing = place.standing
    return {
        "family": standing.name,
        "seeds": standing.seeds,
        **_ends("rmse", standing.rmse),
        "spread": standing.spread,
        "rival": standing.rival,
        **_ends("gain", standing.gain),
        "mae": standing.mae,
        **vars(place.lists),
        "epochs": place.epochs,
        "valid_rmse": place.valid_rmse,
        "seconds": place.seconds,
        "bytes": place.bytes,
        "list_ms": place.list_ms,
        "list_ms_p99": place.list_ms_p99,
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    ends = (None,) * 3 if interval is None else (interval.value, interval.low, interval.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _clean(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

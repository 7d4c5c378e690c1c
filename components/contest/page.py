"""The contest's page: self-contained, the families' bars, their table, slices and costs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.contest.table import Contest, Place, SliceRow
from components.pages.figures import Scale
from components.pages.rendering import render
from components.pages.words import (
    describe_bytes,
    describe_gain,
    describe_seconds,
    name_family,
    name_slice,
)
from components.statistics import Interval

_TEMPLATE = "page.html.j2"
_LEAST_SECONDS = 1e-3


def render_page(contest: Contest) -> str:
    """Return the page's HTML."""
    return render(
        Path(__file__).parent,
        _TEMPLATE,
        contest=contest,
        best=contest.places[0],
        verdict=_verdict(contest.places),
        bars=_place_bars(contest.places),
        costs=_place_costs(contest.places),
        slices=[_slice(row, contest.places) for row in contest.slices],
        name_of=name_family,
        several_seeds=max(place.standing.seeds for place in contest.places),
    )


def _verdict(places: Sequence[Place]) -> str:
    gain = places[0].standing.gain
    return "" if gain is None else describe_gain(gain)


def _place_bars(places: Sequence[Place]) -> list[dict[str, Any]]:
    scale = Scale.around([place.standing.rmse for place in places])
    return [
        {
            "label": name_family(place.standing.name),
            "note": place.standing.name,
            "standing": place.standing,
            "mark": scale.mark(place.standing.rmse),
            "verdict": "" if place.standing.gain is None else describe_gain(place.standing.gain),
        }
        for place in places
    ]


def _place_costs(places: Sequence[Place]) -> list[dict[str, Any]]:
    """Place the seconds to train on a logarithmic scale."""
    powers = [_power(place.seconds) for place in places]
    scale = Scale.around([Interval(power, power, power) for power in powers])
    return [
        {
            "label": name_family(place.standing.name),
            "left": scale.place(power),
            "seconds": describe_seconds(place.seconds),
            "bytes": describe_bytes(place.bytes),
            "list_ms": place.list_ms,
            "list_ms_p99": place.list_ms_p99,
        }
        for place, power in zip(places, powers, strict=True)
    ]


def _power(seconds: float) -> float:
    return math.log10(max(seconds, _LEAST_SECONDS))


def _slice(row: SliceRow, places: Sequence[Place]) -> dict[str, Any]:
    values = [row.rmse[place.standing.name] for place in places]
    finite = [value for value in values if math.isfinite(value)]
    return {
        "label": name_slice(row.name),
        "rows": row.rows,
        "values": values,
        "best": min(finite, default=None),
    }

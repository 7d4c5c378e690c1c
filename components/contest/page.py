"""The contest's page: self-contained, the families' bars, their table, slices and costs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components import evaluation
from components.contest.table import Contest, Place, SliceRow
from components.evaluation.figures import Scale
from components.evaluation.report import describe_gain, name_family, name_slice
from components.statistics import Interval

_TEMPLATE = "page.html.j2"
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_LEAST_SECONDS = 1e-3


def render_page(contest: Contest) -> str:
    """Return the page's HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folders = [Path(__file__).parent, *(Path(place) for place in evaluation.__path__)]
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE).render(
        contest=contest,
        best=contest.places[0],
        verdict=_verdict(contest.places),
        bars=_place_bars(contest.places),
        costs=_place_costs(contest.places),
        slices=[_slice(row, contest.places) for row in contest.slices],
        name_of=name_family,
        several_seeds=max(place.standing.seeds for place in contest.places),
    )


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

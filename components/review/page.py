"""The page for the reviewer: self-contained, the verdict first, then what it rests on."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.pages.figures import Scale
from components.pages.rendering import render
from components.pages.words import (
    describe_gain,
    describe_seconds,
    name_family,
    name_slice,
    order_slices,
)
from components.promotion.findings import Decision
from components.review.content import Review
from components.review.forest import plot_ladder, plot_overall, plot_slices
from components.review.people import People

# Returns the thumbnail of an image by its sha256; None where the image is not here.
Pictures = Callable[[str], str | None]

_EVIDENCE = re.compile(r'<meta name="beholder-evidence" content="(\w+)">')

_TEMPLATE = "review.html.j2"
_BADGES: dict[Decision, tuple[str, str]] = {
    "promote": ("Promote", "✓"),
    "reject": ("Reject", "✗"),
    "inconclusive": ("Inconclusive", "?"),
}
_LIMITS = (
    ("A list, half of the time", "latency_p50_ms", "max_latency_p50_ms", "ms"),
    ("A list, 99 times of 100", "latency_p99_ms", "max_latency_p99_ms", "ms"),
    ("A picture, half of the time", "image_latency_p50_ms", "max_latency_p50_ms", "ms"),
    ("A picture, 99 times of 100", "image_latency_p99_ms", "max_latency_p99_ms", "ms"),
    ("Memory of the server", "memory_mb", "max_memory_mb", "MB"),
    ("The model on disk", "bundle_mb", "max_bundle_mb", "MB"),
)


@dataclass(frozen=True)
class Limit:
    """What the trial measured of a cost beside what is allowed; `share` is of the limit, in %."""

    what: str
    value: float
    limit: float
    unit: str
    share: float
    is_kept: bool


def render_page(review: Review, pictures: Pictures) -> str:
    """Return the page's HTML; the same review and pictures give the same bytes.

    It names its evidence (see `find_evidence`) only if every picture was there: a page that lacks
    some is made again once they are back.
    """
    found = {sha256: pictures(sha256) for sha256 in _list_images(review.people)}
    return render(
        Path(__file__).parent,
        _TEMPLATE,
        review=review,
        evidence=None if None in found.values() else review.evidence,
        badge=_BADGES[review.verdict.decision],
        headline=describe_headline(review),
        rival=name_rival(review),
        overall=plot_overall(review.comparison),
        slices=plot_slices(review.comparison, review.verdict),
        ladder=plot_ladder(review.comparison),
        models=_place_models(review),
        parts=_list_parts(review),
        states=_count_states(review),
        limits=list_limits(review),
        pictures=found,
        name_of=name_family,
        seconds_of=describe_seconds,
    )


def find_evidence(html: str) -> str | None:
    """Return the evidence that a page says it was made from; None if it names none."""
    found = _EVIDENCE.search(html)
    return None if found is None else found[1]


def name_rival(review: Review) -> str:
    """Return whom the candidate was judged beside, as the page calls it."""
    if review.comparison.champion is None:
        return "no champion"
    return "the champion" if review.rival is None else f"version {review.rival}"


def describe_headline(review: Review) -> str:
    """Return what the gate found, in one sentence."""
    version, other = f"Version {review.version}", name_rival(review)
    champion = other if review.rival is None else f"{other}, the champion"
    comparison, decision = review.comparison, review.verdict.decision
    if comparison.is_equal:
        return f"{version} is the very model of {champion}: nothing would change."
    if decision == "promote":
        if comparison.champion is None:
            return f"{version} beats every simple rule and may be the first champion."
        return f"{version} predicts ratings better than {champion}."
    if review.verdict.again:
        return f"{version} was too slow this time: the next retraining tries it again."
    if review.trial is not None and review.trial.failures:
        return f"{version} failed its trial and can never be champion."
    gain = "" if comparison.difference is None else describe_gain(comparison.difference)
    if decision == "reject":
        if gain == "worse":
            return f"{version} predicts ratings worse than {champion}."
        return f"{version} must not be champion: the gate found what forbids it."
    if comparison.champion is None:
        return f"{version} is not proven good enough to be the first champion."
    if gain == "better":
        return f"{version} is better than {other} in all, but not proven safe; {other} stays."
    return f"{version} is not proven better than {other}, which stays champion."


def list_limits(review: Review) -> list[Limit]:
    """Return the costs that the gate limits; empty where nobody kept the trial or the limits."""
    limits = review.verdict.policy.get("limits", {})
    if review.trial is None or not limits:
        return []
    found = []
    for what, measured, allowed, unit in _LIMITS:
        value, limit = float(getattr(review.trial, measured)), float(limits.get(allowed, math.nan))
        share = 100 * value / limit if limit > 0 else math.nan
        shown = min(share, 100.0) if math.isfinite(share) else 0.0
        found.append(Limit(what, value, limit, unit, round(shown, 1), value <= limit))
    return found


def _list_images(people: People) -> set[str]:
    """Return the hashes of all pictures that the page shows."""
    persons = (*people.drawn, *people.losers)
    shelves = [(*one.liked, *one.candidate, *(one.champion or ())) for one in persons]
    missed = [miss.item for one in persons for miss in one.misses]
    items = (*(item for shelf in shelves for item in shelf), *missed)
    return {item.image for item in items if item.image is not None}


def _place_models(review: Review) -> list[dict[str, Any]]:
    """Return a bar a model: its RMSE on one scale, the best first."""
    comparison = review.comparison
    models = [(f"Version {review.version}", comparison.candidate, "ours")]
    if comparison.champion is not None:
        models.append((name_rival(review).capitalize(), comparison.champion, "champion"))
    models += [(name_family(name), rung.score, "") for name, rung in comparison.ladder.items()]
    scale = Scale.around([score.rmse for _, score, _ in models])
    bars = [
        {
            "label": label,
            "note": score.family,
            "rmse": score.rmse,
            "mark": scale.mark(score.rmse),
            "css": css,
        }
        for label, score, css in models
    ]
    return sorted(bars, key=lambda bar: (not math.isfinite(bar["rmse"].value), bar["rmse"].value))


def _list_parts(review: Review) -> list[dict[str, Any]]:
    """Return the slices of a candidate that has no champion beside it."""
    if review.comparison.champion is not None:
        return []
    parts = review.comparison.slices
    order = order_slices({name: part.rows for name, part in parts.items()})
    scale = Scale.around([part.candidate for part in parts.values()])
    return [
        {
            "label": name_slice(name),
            "rows": part.rows,
            "rmse": part.candidate,
            "mark": scale.mark(part.candidate),
        }
        for name, part in ((one, parts[one]) for one in order)
    ]


def _count_states(review: Review) -> dict[str, int]:
    states = list(review.verdict.slices.values())
    return {state: states.count(state) for state in ("holds", "unclear", "worse", "too few rows")}

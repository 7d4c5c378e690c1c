"""The evaluation report: one self-contained page with numbers, figures and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from components.evaluation.examples import Example, Shown
from components.evaluation.figures import Line, Scale, draw_lines
from components.evaluation.measurement import Measurement, SliceMeasurement
from components.evaluation.pictures import Thumbnails
from components.models.catalogue import Catalogue
from components.statistics import Interval

_TEMPLATE = "report.html.j2"
_PLAIN = {
    "all": "All test ratings",
    "warm": "Known user, known item",
    "cold_user": "New user",
    "cold_item": "New item",
    "few_ratings": "Users with few ratings",
    "many_ratings": "Users with many ratings",
    "early": "Earlier half of the test",
    "late": "Later half of the test",
}
_FAMILIES = {
    "mean": "One number for all",
    "popularity": "Item averages",
    "biases": "User and item averages",
    "mf": "Matrix factorization",
    "hybrid": "Hybrid with images",
}


@dataclass(frozen=True)
class Findings:
    """Everything that the page shows."""

    candidate: Measurement
    prequential: Measurement
    rungs: Sequence[Measurement]
    gain: Interval
    slices: Sequence[SliceMeasurement]
    calibration: pd.DataFrame
    history: pd.DataFrame
    examples: Sequence[Example]
    facts: dict[str, Any]


def render_report(findings: Findings, catalogue: Catalogue, thumbnails: Thumbnails) -> str:
    """Return the page's HTML; the same findings give the same bytes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    models = [findings.candidate, *findings.rungs]
    return environment.get_template(_TEMPLATE).render(
        facts=findings.facts,
        candidate=findings.candidate,
        prequential=findings.prequential,
        gain=findings.gain,
        verdict=describe_gain(findings.gain),
        models=sorted(models, key=lambda model: model.rmse.value),
        ladder=_place_ladder(models),
        slices=_place_slices(findings.slices),
        calibration=_draw_calibration(findings.calibration),
        learning=_draw_learning(findings.history),
        examples=[_show(example, catalogue, thumbnails) for example in findings.examples],
        name_of=name_family,
    )


def name_family(family: str) -> str:
    """Return a family's name in plain words."""
    return _FAMILIES.get(family, family)


def describe_gain(gain: Interval) -> str:
    """Return what the paired difference to the best rung says: better, worse or a tie."""
    if gain.high < 0:
        return "better"
    return "worse" if gain.low > 0 else "a tie"


def _place_ladder(models: Sequence[Measurement]) -> list[dict[str, Any]]:
    scale = Scale.around([model.rmse for model in models])
    return [
        {
            "label": name_family(model.name),
            "note": model.name,
            "rmse": model.rmse,
            "mark": scale.mark(model.rmse),
            "is_candidate": model is models[0],
        }
        for model in sorted(models, key=lambda model: model.rmse.value)
    ]


def _place_slices(slices: Sequence[SliceMeasurement]) -> list[dict[str, Any]]:
    scale = Scale.around([interval for part in slices for interval in (part.rmse, part.biases)])
    return [
        {
            "label": _PLAIN.get(part.name, part.name.removeprefix("category ")),
            "is_category": part.name.startswith("category "),
            "rows": part.rows,
            "rmse": part.rmse,
            "mark": scale.mark(part.rmse),
            "biases": scale.mark(part.biases),
            "gain": part.gain,
            "verdict": describe_gain(part.gain),
        }
        for part in slices
    ]


def _draw_calibration(table: pd.DataFrame) -> str:
    predicted, observed = table["predicted"].tolist(), table["observed"].tolist()
    if not predicted:
        return ""
    ends = [min(predicted + observed), max(predicted + observed)]
    lines = [
        Line("perfect", "other", ends, ends),
        Line("model", "ours", predicted, observed, dots=True),
    ]
    return draw_lines(lines, x_label="predicted rating", y_label="mean true rating", square=True)


def _draw_learning(history: pd.DataFrame) -> str:
    if len(history) < 2:
        return ""
    epochs = history["epoch"].tolist()
    lines = [
        Line("train", "other", epochs, history["train_rmse"].tolist()),
        Line("valid", "ours", epochs, history["rmse"].tolist()),
    ]
    return draw_lines(lines, x_label="epoch", y_label="RMSE")


def _show(example: Example, catalogue: Catalogue, thumbnails: Thumbnails) -> dict[str, Any]:
    return {
        "user_id": example.user_id,
        "rated": example.rated,
        "liked": [_tile(shown, catalogue, thumbnails) for shown in example.liked],
        "recommended": [_tile(shown, catalogue, thumbnails) for shown in example.recommended],
    }


def _tile(shown: Shown, catalogue: Catalogue, thumbnails: Thumbnails) -> dict[str, Any]:
    item = catalogue.items.iloc[shown.item]
    return {
        "title": str(item["title"]) or str(item["item_id"]),
        "picture": thumbnails.of(shown.item),
        "rating": shown.rating,
        "liked_later": shown.liked_later,
    }

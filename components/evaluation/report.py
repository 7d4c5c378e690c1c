"""The evaluation report: one self-contained page with numbers, figures and pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from components.evaluation.examples import Example, Shown
from components.evaluation.measurement import Measurement, SliceMeasurement
from components.evaluation.pictures import Thumbnails
from components.leakage import Audit
from components.models.catalogue import Catalogue
from components.pages.figures import Line, Scale, draw_lines
from components.pages.rendering import render
from components.pages.words import describe_gain, name_family, name_slice
from components.statistics import Interval

_TEMPLATE = "report.html.j2"
_ENOUGH_ROWS = 30
_QUESTIONS = {
    "pairs": "Ratings of a user and an item learnt from too",
    "time": "Ratings learnt from, though not older",
    "cold": "Ratings of what should be new, and is not",
    "pictures": "New items that show a picture learnt from",
    "models": "Ratings in the models, though no train row",
}


@dataclass(frozen=True)
class Findings:
    """Everything that the page shows."""

    candidate: Measurement
    prequential: Measurement
    rungs: Sequence[Measurement]
    gain: Interval
    slices: Sequence[SliceMeasurement]
    audit: Audit
    calibration: pd.DataFrame
    history: pd.DataFrame
    examples: Sequence[Example]
    facts: dict[str, Any]


def render_report(findings: Findings, catalogue: Catalogue, thumbnails: Thumbnails) -> str:
    """Return the page's HTML; the same findings give the same bytes."""
    models = [findings.candidate, *findings.rungs]
    return render(
        Path(__file__).parent,
        _TEMPLATE,
        facts=findings.facts,
        candidate=findings.candidate,
        prequential=findings.prequential,
        gain=findings.gain,
        verdict=describe_gain(findings.gain),
        models=sorted(models, key=lambda model: model.rmse.value),
        ladder=_place_ladder(models),
        slices=_place_slices(findings.slices),
        weakest=_find_weakest(findings.slices),
        surely_worse=[
            name_slice(part.name)
            for part in findings.slices
            if describe_gain(part.gain) == "worse" and part.name != "all"
        ],
        audit=_describe_audit(findings.audit),
        calibration=_draw_calibration(findings.calibration),
        learning=_draw_learning(findings.history),
        examples=[_show(example, catalogue, thumbnails) for example in findings.examples],
        name_of=name_family,
    )


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
            "label": name_slice(part.name),
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


def _find_weakest(slices: Sequence[SliceMeasurement]) -> dict[str, Any] | None:
    """Return the slice with the highest RMSE among those with rows enough to say so."""
    parts = [s for s in slices if s.name != "all" and s.rows >= _ENOUGH_ROWS]
    parts = [part for part in parts if math.isfinite(part.rmse.value)]
    if not parts:
        return None
    weakest = max(parts, key=lambda part: part.rmse.value)
    return {"label": name_slice(weakest.name), "rmse": weakest.rmse.value}


def _describe_audit(audit: Audit) -> list[dict[str, Any]]:
    """Return a line a question, with the check of each part; None where it was not asked."""
    asked = {(check.check, check.part): check for check in audit.checks if check.among}
    return [
        {"question": question, **{part: asked.get((name, part)) for part in ("test", "valid")}}
        for name, question in _QUESTIONS.items()
        if any(check == name for check, _ in asked)
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

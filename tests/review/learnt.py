"""The page for the reviewer over bundles that were really learnt, compared and judged."""

from dataclasses import replace
from pathlib import Path

from components.files import read_parquet
from components.models.bundle import Bundle, load_bundle
from components.models.catalogue import UserBook
from components.models.predictor import Predictor
from components.pages.thumbnails import draw_thumbnail
from components.params import Params
from components.paths import Workspace
from components.promotion.comparison import compare
from components.promotion.gate import judge
from components.review.page import render_page
from components.review.people import find_test_rows, meet_people
from tests.review.making import TRIAL, review


def render_learnt(learnt: Workspace, params: Params) -> str:
    """Return the page of the learnt model beside its rung of biases as champion."""
    champion = learnt.ladder / "biases"
    rungs = {"mean": learnt.ladder / "mean"}
    test = read_parquet(learnt.split / "test.parquet")
    slices = params.gate.slices.model_copy(update={"min_rows": 15, "min_users": 5})
    gate = params.gate.model_copy(
        update={"bootstrap": 200, "min_rows": 20, "min_users": 5, "slices": slices}
    )
    held = compare(learnt.evaluation_bundle, champion, rungs, test, gate)
    model = load_bundle(learnt.evaluation_bundle)
    served = replace(model, users=_all_ratings(learnt, model))
    people = meet_people(
        Predictor(model),
        Predictor(load_bundle(champion)),
        find_test_rows(model, served),
        relevant_from=params.evaluate.relevant_from,
    )
    images = read_parquet(learnt.accepted / "images.parquet")
    files = dict(zip(images["sha256"], images["path"], strict=True))
    return render_page(
        review(held, verdict=judge(held, TRIAL, gate), people=people),
        lambda sha256: _draw(learnt.root / files[sha256]),
    )


def _all_ratings(learnt: Workspace, model: Bundle) -> UserBook:
    ratings = read_parquet(learnt.accepted / "ratings.parquet")
    return UserBook.from_ratings(ratings, model.catalogue)


def _draw(path: Path) -> str:
    return draw_thumbnail(path.read_bytes(), max_megapixels=1)

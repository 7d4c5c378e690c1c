"""Small models of the biases family, whose predictions are simple sums, and judged comparisons."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from components.models.bundle import Bundle
from components.models.catalogue import Catalogue, UserBook
from components.params import load_params
from components.promotion.comparison import Comparison, Part, Rung, Score
from components.promotion.gate import TrialFacts, Verdict, judge
from components.review.changes import Inputs
from components.review.content import Review, StageCost
from components.review.people import People, Person, Shown
from components.statistics import Interval

ITEMS = tuple(f"i{number:02d}" for number in range(12))
GATE = load_params(Path(__file__).parents[2] / "params.yaml").gate
TRIAL = TrialFacts(True, (), 1e-6, 4.0, 9.0, 800.0, 20.0, 40.0, 30.0)
NAN = Interval(math.nan, math.nan, math.nan)

Rating = tuple[str, str, float]


def make_bundle(
    ratings: Sequence[Rating], *, mean: float = 3.0, step: float = 0.1, images: Sequence[str] = ()
) -> Bundle:
    """Return a bundle that rates an item by `mean` + its number × `step`, whoever asks.

    The first items have an image each, as many as are given.
    """
    catalogue = Catalogue(
        pd.DataFrame(
            {
                "item_id": ITEMS,
                "title": [f"Print {item}" for item in ITEMS[:-1]] + [""],
                "category": "",
                "images": [[images[row]] if row < len(images) else [] for row in range(len(ITEMS))],
            }
        ),
        np.zeros((len(ITEMS), 2), np.float32),
        np.arange(len(ITEMS)) < len(images),
    )
    rows = pd.DataFrame(ratings, columns=["user_id", "item_id", "rating"])
    weights = {
        "mean": np.array([mean], np.float32),
        "item_bias": np.arange(len(ITEMS), dtype=np.float32) * np.float32(step),
        "user_prior": np.array([1e9], np.float32),
    }
    users = UserBook.from_ratings(rows.assign(timestamp=np.arange(len(rows))), catalogue)
    return Bundle("biases", weights, catalogue, users, (0.5, 5.0), {}, {}, {})


def part(rows: int, low: float, high: float, floor: float = -0.1) -> Part:
    """Return a slice on which the difference lies between two numbers."""
    middle = Interval((low + high) / 2, low, high)
    return Part(rows, rows // 5, Interval(0.9, 0.8, 1.0), Interval(0.95, 0.9, 1.0), middle, floor)


def compared(low: float = -0.06, high: float = -0.02, **slices: Part) -> Comparison:
    """Return a comparison with a champion whose difference lies between two numbers."""
    return Comparison(
        rows=1000,
        users=80,
        learnt_by_champion=7,
        learnt_by_candidate=0,
        level=0.95,
        candidate=_score("hybrid", 0.85),
        champion=_score("mf", 0.9),
        difference=Interval((low + high) / 2, low, high),
        ladder={"biases": Rung(_score("biases", 0.95), Interval(-0.1, -0.12, -0.08))},
        slices=slices or {"late": part(500, low, high), "cold_user": part(10, -0.5, 0.5, math.nan)},
    )


def first() -> Comparison:
    """Return a comparison without a champion."""
    alone = Part(500, 50, Interval(0.9, 0.85, 0.95), None, None, None)
    return replace(compared(), champion=None, difference=None, slices={"late": alone})


def _score(family: str, rmse: float) -> Score:
    return Score(family[0] * 64, family, Interval(rmse, rmse - 0.01, rmse + 0.01), 0)


def shown(number: int, *, image: str | None = None, title: str | None = None) -> Shown:
    """Return an item of a shelf."""
    return Shown(ITEMS[number], f"Print {number}" if title is None else title, image, 3.5)


def person(user_id: str | None = "u1", **changed: object) -> Person:
    """Return somebody whom both models show something else."""
    known = Person(
        user_id=user_id,
        learnt=5,
        tested=2,
        candidate_rmse=0.8,
        champion_rmse=0.9,
        liked=(shown(0),),
        candidate=(shown(1), shown(2)),
        champion=(shown(2), shown(3)),
    )
    return replace(known, **changed)  # type: ignore[arg-type]


def review(
    comparison: Comparison | None = None,
    trial: TrialFacts | None = TRIAL,
    verdict: Verdict | None = None,
    **changed: object,
) -> Review:
    """Return a review of version 4 beside version 2, as the gate judges it."""
    held = compared() if comparison is None else comparison
    made = Review(
        model="beholder",
        version=4,
        rival=None if held.champion is None else 2,
        verdict=verdict or judge(held, trial or TRIAL, GATE),
        comparison=held,
        trial=trial,
        inputs=Inputs(),
        changes=None,
        people=People((person(),), (), better=50, worse=20, same=10, rows=1000),
        costs=(StageCost("train", 12.5, 900.0, "cpu"), StageCost("embed")),
        lineage={"Lineage": "0123456789abcdef"},
        evidence="e" * 64,
    )
    return replace(made, **changed)  # type: ignore[arg-type]

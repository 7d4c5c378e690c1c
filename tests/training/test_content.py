"""Content alone while it is fitted."""

import numpy as np
import pandas as pd
import pytest

from components.family_params import Content
from components.models.catalogue import Catalogue, UserBook
from components.training.content import fit_content


def make_book(rows: list[tuple[str, int, float]], items: int) -> UserBook:
    catalogue = Catalogue(
        pd.DataFrame({"item_id": [f"i{n}" for n in range(items)]}),
        np.zeros((items, 1), np.float32),
        np.zeros(items, dtype=bool),
    )
    ratings = pd.DataFrame(
        {
            "user_id": [user for user, _, _ in rows],
            "item_id": [f"i{item}" for _, item, _ in rows],
            "rating": [rating for _, _, rating in rows],
            "timestamp": 0,
        }
    )
    return UserBook.from_ratings(ratings, catalogue)


def options(**changed: float) -> Content:
    weak = {"bias_prior": 1e-3, "item_prior": 1.0, "image_bias_prior": 1e-3, "taste_prior": 1.0}
    return Content.model_validate({"image_factors": 1, **weak, **changed})


def test_looks_that_explain_all_are_found() -> None:
    looks_IK = np.linspace(-1, 1, 9, dtype=np.float32)[:, None]
    drawn = np.random.default_rng(0)
    level = {f"u{user}": drawn.normal() for user in range(6)}
    rows = [(u, i, 3 + b + 0.8 * float(looks_IK[i, 0])) for u, b in level.items() for i in range(9)]
    weights = fit_content(make_book(rows, 9), looks_IK, options())
    assert weights["image"] == pytest.approx([0.8], abs=1e-3)
    assert weights["mean"] == pytest.approx([3 + np.mean(list(level.values()))], abs=1e-6)


def test_item_that_many_rated_does_not_decide_alone() -> None:
    looks_IK = np.float32([[1], [1], [1], [-1], [-1], [-1]])
    few = [("v", i, 5.0 if i < 3 else 1.0) for i in range(6)]
    crowd = [(f"u{n}", 0, 1.0) for n in range(300)]
    book = make_book(few + crowd, 6)
    fair, loud = (
        fit_content(book, looks_IK, options(item_prior=prior, bias_prior=1e6))["image"][0]
        for prior in (1.0, 1e6)
    )
    assert fair > 0
    assert loud < fair / 2


def test_stronger_prior_means_smaller_weights() -> None:
    looks_IK = np.float32([[1], [-1]])
    book = make_book([("u", 0, 5.0), ("u", 1, 1.0)], 2)
    weak, strong = (
        abs(fit_content(book, looks_IK, options(image_bias_prior=prior))["image"][0])
        for prior in (0.1, 10.0)
    )
    assert weak > strong > 0


def test_items_without_image_say_nothing_of_looks() -> None:
    looks_IK = np.float32([[1], [-1], [0]])
    rows = [("u", 0, 4.0), ("u", 1, 2.0)]
    alone = fit_content(make_book(rows, 3), looks_IK, options())
    more = fit_content(make_book([*rows, ("v", 2, 3.0)], 3), looks_IK, options())
    assert more["image"] == pytest.approx(alone["image"], abs=1e-3)

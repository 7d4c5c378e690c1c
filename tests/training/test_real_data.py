"""The hybrid on real ratings, without their images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.models.catalogue import Catalogue, UserBook
from components.models.predictor import Predictor
from components.params import Params
from components.settings import Settings
from components.training.recipe import Recipe
from components.training.step import make_bundle
from components.training.threads import limit_threads


@pytest.mark.real_data
def test_hybrid_beats_the_biases_on_real_ratings_from_ids_alone(
    posters: Path, tmp_path: Path, choose: Callable[..., Params]
) -> None:
    ratings = pd.read_csv(posters / "ratings.csv", dtype={"user_id": str, "item_id": str})
    is_test = np.random.default_rng(0).random(len(ratings)) < 0.2
    train, test = ratings[~is_test], ratings[is_test]
    ids = sorted(ratings["item_id"].unique())
    items = pd.DataFrame({"item_id": ids, "category": ""})
    bare = Catalogue(items, np.zeros((len(ids), 1), np.float32), np.zeros(len(ids), bool))
    book = UserBook.from_ratings(train, bare)

    def rmse(family: str) -> float:
        params = choose(family=family, factors=16, batches=6)
        recipe = Recipe.of(params, bare, "cpu", tmp_path / family, tmp_path / "live")
        with limit_threads(len(train), Settings()):
            learnt = recipe.learn("evaluation", book, 12)
        predictor = Predictor(make_bundle(params, family, learnt.weights, bare, book, {}, {}))
        rated = predictor.predict(test["user_id"].tolist(), test["item_id"].tolist())
        return float(np.sqrt(np.square(rated - test["rating"]).mean()))

    assert rmse("hybrid") < rmse("biases") - 0.02

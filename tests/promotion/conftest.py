"""Tiny bundles of the biases family, whose predictions are simple sums."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.models.bundle import Bundle, save_bundle, seal_bundle
from components.models.catalogue import Catalogue, UserBook
from components.params import Gate

ITEMS = tuple(f"i{number}" for number in range(6))

MakeBundle = Callable[..., Path]


@pytest.fixture
def gate() -> Gate:
    return Gate(level=0.95, bootstrap=200, min_rows=5, min_users=3, seed=0)


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """A bundle that predicts `mean` + the item's number × `step` for users whom it never saw."""

    def make(
        name: str,
        mean: float = 3.0,
        *,
        step: float = 0.0,
        family: str = "biases",
        learnt: Sequence[tuple[str, str]] = (("someone", "i0"),),
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        catalogue = Catalogue(
            pd.DataFrame(
                {
                    "item_id": ITEMS,
                    "title": "",
                    "category": "",
                    "images": [[] for _ in ITEMS],
                }
            ),
            np.zeros((len(ITEMS), 2), np.float32),
            np.zeros(len(ITEMS), bool),
        )
        ratings = pd.DataFrame(learnt, columns=["user_id", "item_id"])
        ratings = ratings.assign(rating=mean, timestamp=np.arange(len(ratings)))
        bundle = Bundle(
            family=family,
            weights={
                "mean": np.array([mean], np.float32),
                "item_bias": np.arange(len(ITEMS), dtype=np.float32) * np.float32(step),
                "user_prior": np.array([5.0], np.float32),
            },
            catalogue=catalogue,
            users=UserBook.from_ratings(ratings, catalogue),
            scale=(0.5, 5.0),
            params={},
            inputs={},
            facts={},
        )
        save_bundle(bundle, folder)
        seal_bundle(folder)
        return folder

    return make


@pytest.fixture
def test_rows() -> pd.DataFrame:
    """Every rating is 4, by 8 users whom no bundle knows."""
    return pd.DataFrame(
        [(f"u{user}", item, 4.0) for user in range(8) for item in ITEMS],
        columns=["user_id", "item_id", "rating"],
    )

"""A small folder of real files as the benchmark reads it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

USERS, ITEMS = 20, 12


@pytest.fixture(scope="session")
def write_data(draw: Callable[[int], bytes]) -> Callable[[Path], None]:
    """Return what fills a folder with items.csv, a picture an item, and ratings.csv."""

    def write(data: Path) -> None:
        (data / "images").mkdir(parents=True)
        ids = [str(100 - item) for item in range(ITEMS)]
        for item in ids:
            (data / f"images/{item}.png").write_bytes(draw(int(item)))
        images = [f"images/{item}.png" for item in ids]
        items = pd.DataFrame({"item_id": ids, "image": images, "title": ids, "genres": "Drama"})
        items.to_csv(data / "items.csv", index=False)
        rated_UI = np.random.default_rng(3).random((USERS, ITEMS)) < 0.7
        user_N, item_N = np.nonzero(rated_UI)
        ratings = pd.DataFrame(
            {
                "user_id": [f"u{user}" for user in user_N],
                "item_id": [ids[item] for item in item_N],
                "rating": 1.0 + (user_N + item_N) % 5,
                "timestamp": 1_000_000 + np.random.default_rng(4).permutation(len(user_N)),
            }
        )
        ratings.to_csv(data / "ratings.csv", index=False)

    return write

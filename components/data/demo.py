"""The demo data: pictures and tables of a simulated world, and how well one can do on them.

The noise of the world is known, so the expected rating of every pair is, and with it the RMSE of
the best predictor that anybody could build.
"""

import logging
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from components.data.looks import draw_print
from components.data.world import FOR_PICTURE, NOISE, World, begin, grow, item_id, stream, visit
from components.errors import DataError
from components.files import read_parquet, write_bytes, write_folder, write_parquet
from components.progress import track

_DAYS = 730
_DAYS_MORE = 90
_JPEG_QUALITY = 90

_README = """\
# Simulated art prints and ratings

Drawn by Beholder itself for its demo: no real prints, no real people.

- `items.csv`: {items} prints (item_id, image, title, category).
- `images/`: one JPEG a print.
- `ratings.csv`: {ratings} ratings from 0.5 to 5 (user_id, item_id, rating, timestamp).
- `truth.parquet`: the expected rating of every rated pair, given all that the simulation knows.
  The noise has a standard deviation of {noise} stars; no predictor can be expected to come closer
  than an RMSE of {best:.4f} on these ratings.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Demo:
    """Where the drawn files lie, and the world that they show."""

    folder: Path
    world: World

    @property
    def items(self) -> Path:
        """The prints' table."""
        return self.folder / "items.csv"

    @property
    def images(self) -> Path:
        """The prints' pictures."""
        return self.folder / "images"

    @property
    def ratings(self) -> Path:
        """The ratings' table."""
        return self.folder / "ratings.csv"

    @property
    def truth(self) -> Path:
        """The expected rating of every rated pair."""
        return self.folder / "truth.parquet"


def draw_demo(
    folder: Path,
    *,
    seed: int = 0,
    items: int = 480,
    users: int = 300,
    ratings: int = 24_000,
    width: int = 160,
) -> Demo:
    """Draw two years of ratings and the prints, `width` pixels wide, into a folder of their own.

    Raises DataError if the folder holds anything else, or if so few prints and visitors cannot
    make so many ratings.
    """
    return _draw(folder, begin(seed), items, users, ratings, width, _DAYS)


def draw_more(
    folder: Path,
    before: Demo,
    *,
    items: int = 24,
    users: int = 8,
    ratings: int = 1_800,
    width: int = 160,
) -> Demo:
    """Draw the next three months of the same world: new prints, new visitors, new ratings.

    The files hold what is new only; no pair is rated a second time. Errors as in `draw_demo`.
    """
    return _draw(folder, before.world, items, users, ratings, width, _DAYS_MORE)


def best_rmse(truth: pd.DataFrame, test: pd.DataFrame) -> float:
    """Return the RMSE on test rows of the predictor that knows all but the noise.

    `truth` has user_id, item_id, expected; raises DataError if it lacks a pair of `test`.
    """
    joined = test.merge(truth, on=["user_id", "item_id"], how="left", validate="many_to_one")
    unknown = joined["expected"].isna()
    if unknown.any():
        row = joined[unknown].iloc[0]
        raise DataError(
            f"{int(unknown.sum())} of {len(test)} test rows are not of the demo's world (first: "
            f"user {row['user_id']!r}, item {row['item_id']!r}); the best RMSE is known there only"
        )
    return float(np.sqrt(np.mean((joined["rating"] - joined["expected"]) ** 2)))


def read_truth(*demos: Path) -> pd.DataFrame:
    """Return the truth of one or more drawn folders together."""
    return pd.concat([read_parquet(folder / "truth.parquet") for folder in demos])


def _draw(
    folder: Path, before: World, items: int, users: int, ratings: int, width: int, days: int
) -> Demo:
    _check_folder(folder)
    world = grow(before, items, users, days)
    table = visit(world, before.ends, ratings)
    world = replace(world, rated=world.rated | set(zip(table["user"], table["item"], strict=True)))
    truth = table[["user_id", "item_id", "expected"]]
    best = best_rmse(truth, table[["user_id", "item_id", "rating"]])
    with write_folder(folder) as beside:
        (beside / "images").mkdir()
        numbers = range(len(before.looks), len(world.looks))
        for number in track(numbers, "drawing prints"):
            (beside / "images" / f"{item_id(number)}.jpg").write_bytes(_jpeg(world, number, width))
        _write_csv(beside / "items.csv", _item_rows(world, numbers))
        _write_csv(beside / "ratings.csv", table[["user_id", "item_id", "rating", "timestamp"]])
        write_parquet(beside / "truth.parquet", truth)
        readme = _README.format(items=items, ratings=len(table), noise=NOISE, best=best)
        write_bytes(beside / "README.md", readme.encode())
    log.info("demo drawn items=%d ratings=%d best_rmse=%.4f", items, len(table), best)
    return Demo(folder, world)


def _check_folder(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "truth.parquet").exists():
        raise DataError(f"{folder} holds other things; name a new folder for the demo data")


def _jpeg(world: World, number: int, width: int) -> bytes:
    picture = draw_print(world.looks[number], width, stream(world, FOR_PICTURE, number))
    content = BytesIO()
    picture.save(content, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return content.getvalue()


def _item_rows(world: World, numbers: range) -> pd.DataFrame:
    looks = [world.looks[number] for number in numbers]
    return pd.DataFrame(
        {
            "item_id": [item_id(number) for number in numbers],
            "image": [f"images/{item_id(number)}.jpg" for number in numbers],
            "title": [
                f"{look.title} no. {number + 1} (simulated)"
                for look, number in zip(looks, numbers, strict=True)
            ],
            "category": [look.category for look in looks],
        }
    )


def _write_csv(path: Path, rows: pd.DataFrame) -> None:
    write_bytes(path, rows.to_csv(index=False, lineterminator="\n").encode())

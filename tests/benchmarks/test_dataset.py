"""Real data as the fits read it, and what is refused at the door."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.comparison.dataset import read_dataset
from components.errors import DataError
from components.params import Params, load_params
from components.settings import Settings


@pytest.fixture
def params() -> Params:
    return load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture
def data(tmp_path: Path, write_data: Callable[[Path], None]) -> Path:
    write_data(tmp_path / "data")
    return tmp_path / "data"


def read(data: Path, params: Params) -> None:
    read_dataset(data, data.parent / "cache", params, Settings())


def test_ratings_keep_the_order_of_the_file_and_items_are_ordered_by_their_text(
    data: Path, params: Params
) -> None:
    dataset = read_dataset(data, data.parent / "cache", params, Settings())
    written = pd.read_csv(data / "ratings.csv", dtype={"user_id": str, "item_id": str})
    pd.testing.assert_frame_equal(dataset.ratings, written)
    ids = dataset.catalogue.items["item_id"].tolist()
    assert ids == sorted(ids)
    assert ids[0] == "100"
    assert dataset.catalogue.has_image_I.all()
    assert dataset.catalogue.items["category"].tolist() == ["Drama"] * len(ids)
    again = read_dataset(data, data.parent / "cache", params, Settings())
    assert again.digest == dataset.digest
    np.testing.assert_array_equal(again.catalogue.embeddings_IE, dataset.catalogue.embeddings_IE)


def test_a_pair_that_stands_twice_is_refused(data: Path, params: Params) -> None:
    rows = (data / "ratings.csv").read_text().splitlines()
    (data / "ratings.csv").write_text("\n".join([*rows, rows[1]]))
    with pytest.raises(DataError, match=f"1 rows stand again.*first: row {len(rows)}"):
        read(data, params)


def test_a_rating_of_an_item_that_there_is_not_is_refused(data: Path, params: Params) -> None:
    with (data / "ratings.csv").open("a") as file:
        file.write("u1,nowhere,3.0,1000\n")
    with pytest.raises(DataError, match="1 rows name an item"):
        read(data, params)


def test_a_rating_outside_the_scale_is_refused(data: Path, params: Params) -> None:
    with (data / "ratings.csv").open("a") as file:
        file.write("new,100,5.5,1000\n")
    with pytest.raises(DataError, match=r"1 rows lie outside 0\.5 to 5\.0"):
        read(data, params)


def test_an_image_that_is_missing_is_named(data: Path, params: Params) -> None:
    (data / "images/95.png").unlink()
    with pytest.raises(DataError, match=r"'images/95\.png'"):
        read(data, params)


def test_ratings_without_a_column_are_refused(data: Path, params: Params) -> None:
    ratings = pd.read_csv(data / "ratings.csv").drop(columns="timestamp")
    ratings.to_csv(data / "ratings.csv", index=False)
    with pytest.raises(DataError, match=r"ratings\.csv cannot be read.*timestamp"):
        read(data, params)

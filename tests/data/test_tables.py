from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.tables import Refusal, parse_items, parse_ratings, read_table
from components.errors import CorruptFileError, DataError


def write(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def frame_of(**columns: list[object]) -> pd.DataFrame:
    frame = pd.DataFrame(columns, dtype=object)
    return frame.set_axis(range(1, len(frame) + 1))


def rated(**changes: list[object]) -> pd.DataFrame:
    rows = len(next(iter(changes.values())))
    columns = {"user_id": "u", "item_id": "i", "rating": "4", "timestamp": "100"}
    return frame_of(**{name: [cell] * rows for name, cell in columns.items()} | changes)


def test_csv_comes_as_text_with_row_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeffuser_id, title\n007,"a, b"\n1,""\n\n2,"two\nlines"\n')
    frame, refusals = read_table(path, "items")
    assert refusals == []
    assert frame.columns.tolist() == ["user_id", "title"]
    assert frame["user_id"].to_dict() == {1: "007", 2: "1", 3: "2"}
    assert frame["title"].tolist() == ["a, b", "", "two\nlines"]


def test_misshapen_rows_of_a_csv_are_refused_and_the_rest_keeps_its_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n1,2\n3\n4,5\n6,7,8\n9,10\n")
    frame, refusals = read_table(path, "ratings")
    assert frame["a"].to_dict() == {1: "1", 3: "4", 5: "9"}
    assert [(refusal.row, refusal.value) for refusal in refusals] == [(2, "3"), (4, "6,7,8")]
    assert refusals[0].reason == "has 1 cells instead of 2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read as CSV"),
        ("a,a\n1,2\n", "'a' twice"),
        ("a,\n1,2\n", "without a name"),
    ],
)
def test_csv_that_is_none_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_table(write(tmp_path, text), "items")


def test_csv_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("item_id\nné\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_table(tmp_path / "t.csv", "items")


def test_missing_file_and_other_format_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no file"):
        read_table(tmp_path / "none.csv", "items")
    with pytest.raises(DataError, match=r"ends in '\.xlsx'"):
        read_table(write(tmp_path, "x", "t.xlsx"), "items")
    with pytest.raises(CorruptFileError, match="Parquet"):
        read_table(write(tmp_path, "x", "t.parquet"), "items")


def test_parquet_comes_as_the_same_text_as_csv(tmp_path: Path) -> None:
    columns = {
        "item_id": pa.array([1, 2, None]),
        "images": pa.array([["a.jpg", None, "b.jpg"], None, []]),
        "rating": pa.array([4.0, 3.5, float("nan")]),
        "timestamp": pa.array([0, 1_500_000, None], pa.timestamp("ms")),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    frame, refusals = read_table(tmp_path / "t.parquet", "items")
    assert refusals == []
    assert frame["item_id"].tolist() == ["1", "2", ""]
    assert frame["images"].tolist() == [["a.jpg", "b.jpg"], "", []]
    assert frame["rating"].tolist() == ["4", "3.5", ""]
    assert frame["timestamp"].tolist() == ["1970-01-01 00:00:00", "1970-01-01 00:25:00", ""]


def test_ratings_come_in_canonical_order_whatever_the_order_of_the_file() -> None:
    frame = rated(user_id=["b", "a", "a"], item_id=["x", "y", "x"], timestamp=["5", "5", "9"])
    rows, refusals = parse_ratings(frame)
    shuffled, _ = parse_ratings(frame.iloc[::-1])
    assert refusals == []
    assert rows["user_id"].tolist() == ["a", "b", "a"]
    assert rows.dtypes[["rating", "timestamp"]].tolist() == [np.float64, np.int64]
    pd.testing.assert_frame_equal(rows, shuffled)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("user_id", "  ", "is empty"),
        ("item_id", "", "is empty"),
        ("rating", "", "is no finite number"),
        ("rating", "good", "is no finite number"),
        ("rating", "nan", "is no finite number"),
        ("rating", "-inf", "is no finite number"),
        ("timestamp", "", "is neither seconds since 1970 nor an ISO date"),
        ("timestamp", "last week", "is neither seconds since 1970 nor an ISO date"),
        ("timestamp", "inf", "is neither seconds since 1970 nor an ISO date"),
        ("timestamp", "1700000000000", "lies outside 1900 to 2200; seconds are wanted"),
    ],
)
def test_bad_cell_of_a_rating_is_refused_with_its_reason(
    column: str, value: str, reason: str
) -> None:
    good = rated(rating=["3"])[column].iloc[0]
    rows, refusals = parse_ratings(rated(**{column: [good, value]}))
    assert len(rows) == 1
    assert refusals == [Refusal("ratings", 2, column, value, reason)]


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("964980499", 964980499),
        ("964980499.9", 964980499),
        ("-1.5", -2),
        ("1970-01-02", 86400),
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01 02:00:00+02:00", 0),
        (" 7 ", 7),
    ],
)
def test_timestamps_are_seconds_or_iso_dates(text: str, second: int) -> None:
    rows, _ = parse_ratings(rated(timestamp=[text]))
    assert rows["timestamp"].tolist() == [second]


cells = st.one_of(st.text(max_size=6), st.sampled_from(["4", "3.5", "nan", "1e400", "2020-01-01"]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells, cells), max_size=12))
def test_every_rating_is_either_in_or_refused_and_what_is_in_is_finite(
    rows: list[tuple[str, str, str, str]],
) -> None:
    names = ["user_id", "item_id", "rating", "timestamp"]
    frame = frame_of(**{name: [row[n] for row in rows] for n, name in enumerate(names)})
    kept, refusals = parse_ratings(frame)
    assert len(kept) + len(refusals) == len(rows)
    assert np.isfinite(kept["rating"].to_numpy(np.float64)).all()
    assert (kept["user_id"].str.len() > 0).all()


def test_missing_column_is_told_with_those_found() -> None:
    frame = frame_of(user=["u"], item_id=["i"], rating=["3"], timestamp=["1"])
    with pytest.raises(DataError, match=r"'user_id' is missing \(found: user, item_id"):
        parse_ratings(frame)
    with pytest.raises(DataError, match="items: the column 'item_id' is missing"):
        parse_items(frame_of(title=["t"]))


def test_genres_stand_in_for_category_and_are_kept_too() -> None:
    rows, _ = parse_items(frame_of(item_id=["1"], genres=["Drama|War"], year=["1995"]))
    assert rows.columns.tolist() == ["item_id", "images", "title", "category", "genres", "year"]
    assert rows[["title", "category", "genres", "year"]].iloc[0].tolist() == [
        "",
        "Drama|War",
        "Drama|War",
        "1995",
    ]


def test_category_wins_over_genres() -> None:
    rows, _ = parse_items(frame_of(item_id=["1"], genres=["Drama"], category=["Film"]))
    assert rows["category"].tolist() == ["Film"]


def test_images_are_lists_from_text_and_from_lists() -> None:
    frame = frame_of(item_id=["1", "2", "3"], images=["a.jpg| b.jpg|", ["a|b.jpg"], ""])
    rows, _ = parse_items(frame)
    assert rows["images"].tolist() == [["a.jpg", "b.jpg"], ["a|b.jpg"], []]


def test_second_row_of_an_item_and_empty_ids_are_refused() -> None:
    rows, refusals = parse_items(frame_of(item_id=["1", "", "1 ", ""], title=["a", "b", "c", "d"]))
    assert rows["title"].tolist() == ["a"]
    assert [(refusal.row, refusal.reason) for refusal in refusals] == [
        (2, "is empty"),
        (3, "stands in an earlier row"),
        (4, "is empty"),
    ]


def test_refusal_reads_as_a_sentence() -> None:
    refusal = Refusal("ratings", 7, "rating", "good", "is no finite number")
    assert str(refusal) == "ratings row 7: rating 'good' is no finite number"

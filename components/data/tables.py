"""Tables at the door: CSV or Parquet in, canonical rows and refused ones out."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from components.batches import ITEM_COLUMNS, RATING_COLUMNS
from components.errors import DataError
from components.files import read_parquet
from components.models.availability import AVAILABLE, WORDS, says_nothing_else

# Several images, or several genres, in one cell of text.
SEPARATOR = "|"
# Whole seconds from 1900 to 2200: anything else is milliseconds, or no time at all.
_FIRST_SECOND, _LAST_SECOND = -2_208_988_800, 7_258_118_400
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Refusal:
    """What did not come in: a row of ratings or items, or one image of an item that did.

    `row` counts from 1, the first row after the header; 0 where an image came without a table.
    """

    table: str
    row: int
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.table} row {self.row}" if self.row else self.table
        return " ".join(filter(None, [f"{place}:", self.column, repr(self.value), self.reason]))


def read_table(path: Path, table: str) -> tuple[pd.DataFrame, list[Refusal]]:
    """Read a CSV or Parquet file as text: one column a name, the row numbers as the index.

    A list cell of Parquet becomes a list of text. Rows of a CSV with too few or too many cells
    are refused; raises DataError if the file is none of the two, or is not readable as such.
    """
    if not path.is_file():
        raise DataError(f"{table}: {path} is no file; name a CSV or Parquet file")
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet"}:
        raise DataError(f"{table}: {path} ends in {suffix!r}; name a .csv or .parquet file")
    frame, refusals = _read_csv(path, table) if suffix == ".csv" else (_read_parquet(path), [])
    names = [str(name).strip() for name in frame.columns]
    doubled = [name for name in names if names.count(name) > 1 or not name]
    if doubled:
        raise DataError(f"{table}: {path} has the column {doubled[0]!r} twice, or without a name")
    return frame.set_axis(names, axis="columns"), refusals


def _read_csv(path: Path, table: str) -> tuple[pd.DataFrame, list[Refusal]]:
    refusals: list[Refusal] = []

    def refuse(row: Any) -> str:
        cells = f"{row.actual_columns} cells instead of {row.expected_columns}"
        # Numbers count the header; they exist only without threads.
        refusals.append(Refusal(table, row.number - 1, "", _shown(row.text), f"has {cells}"))
        return "skip"

    arrow = pyarrow.csv
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
        rows = arrow.read_csv(
            path,
            read_options=arrow.ReadOptions(use_threads=False),
            parse_options=arrow.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: {path} cannot be read as CSV in UTF-8: {error}") from error
    total = rows.num_rows + len(refusals)
    numbers = np.setdiff1d(np.arange(1, total + 1), [refusal.row for refusal in refusals])
    cells = [column.to_pylist() for column in rows.columns]
    # Built by position first: two columns may have one name, which is refused by our caller.
    frame = pd.DataFrame(dict(enumerate(cells)), index=numbers, dtype=object)
    return frame.set_axis(rows.column_names, axis="columns"), refusals


def _read_parquet(path: Path) -> pd.DataFrame:
    rows = read_parquet(path).reset_index(drop=True)
    cells = {name: [_cell(value) for value in rows[name].tolist()] for name in rows.columns}
    return pd.DataFrame(cells, index=np.arange(1, len(rows) + 1), dtype=object)


def _cell(value: Any) -> str | list[str]:
    if isinstance(value, list | tuple | np.ndarray):
        return [text for text in (_text(part) for part in value) if text]
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, float):
        # A column of whole numbers with a gap comes as floats: 12.0 was 12.
        return "" if np.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def parse_ratings(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Refusal]]:
    """Return user_id, item_id, rating, timestamp in canonical order, and the refused rows.

    Canonical is by timestamp, user and item, then as in the file. Timestamps are seconds since
    1970 or ISO 8601 (UTC where no offset is given); a part of a second is cut off. Raises
    DataError if a column is missing.
    """
    _require(frame, RATING_COLUMNS, "ratings")
    users, items = _strip(frame["user_id"]), _strip(frame["item_id"])
    ratings = _numbers(frame["rating"])
    seconds = _seconds(frame["timestamp"])
    in_time = (seconds >= _FIRST_SECOND) & (seconds <= _LAST_SECOND)
    kept, refusals = _refuse(
        frame,
        "ratings",
        [
            ("user_id", users == "", "is empty"),
            ("item_id", items == "", "is empty"),
            ("rating", ~np.isfinite(ratings), "is no finite number"),
            ("timestamp", np.isnan(seconds), "is neither seconds since 1970 nor an ISO date"),
            ("timestamp", ~in_time, "lies outside 1900 to 2200; seconds are wanted"),
        ],
    )
    parsed = pd.DataFrame(
        {
            "user_id": users[kept],
            "item_id": items[kept],
            "rating": ratings[kept],
            "timestamp": np.floor(seconds[kept]).astype(np.int64),
        }
    )
    order = ["timestamp", "user_id", "item_id"]
    return parsed.sort_values(order, kind="stable").reset_index(drop=True), refusals


def parse_items(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Refusal]]:
    """Return item_id, images (names as given), title, category and further columns as text.

    Keeps the file's order and row numbers. `image` and `images` add up; `category` falls back to
    `genres`, which is kept too. The second row of one item_id is refused, and one whose
    `available` says neither yes nor no. Raises DataError if there is no item_id column.
    """
    _require(frame, ("item_id",), "items")
    ids = _strip(frame["item_id"])
    again = pd.Series(ids).duplicated().to_numpy() & (ids != "")
    checks = [("item_id", ids == "", "is empty"), ("item_id", again, "stands in an earlier row")]
    if AVAILABLE in frame:
        unclear = [not says_nothing_else(text) for text in _strip(frame[AVAILABLE])]
        checks.append((AVAILABLE, np.array(unclear, bool), f"is neither {WORDS}"))
    kept, refusals = _refuse(frame, "items", checks)
    empty = pd.Series("", index=frame.index, dtype=object)
    text = {
        name: pd.Series(_strip(frame[name]), index=frame.index, dtype=object)
        for name in frame.columns
    }
    known = {*ITEM_COLUMNS, "image"}
    parsed = {
        "item_id": text["item_id"],
        "images": _image_names(frame),
        "title": text.get("title", empty),
        "category": text.get("category", text.get("genres", empty)),
        **{name: text[name] for name in sorted(set(text) - known)},
    }
    return pd.DataFrame(parsed, index=frame.index)[kept], refusals


def _require(frame: pd.DataFrame, columns: tuple[str, ...], table: str) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise DataError(
            f"{table}: the column {missing[0]!r} is missing (found: {', '.join(frame.columns)}); "
            f"{table} need {', '.join(columns)}"
        )


def _refuse(
    frame: pd.DataFrame, table: str, checks: list[tuple[str, Any, str]]
) -> tuple["np.ndarray[Any, np.dtype[np.bool_]]", list[Refusal]]:
    """Return which rows pass all checks, and each other row with the first one that it fails."""
    kept = np.ones(len(frame), dtype=bool)
    refusals = []
    for column, is_bad, reason in checks:
        rows = kept & is_bad
        for row, value in frame[column][rows].items():
            refusals.append(Refusal(table, int(str(row)), column, _shown(value), reason))
        kept &= ~rows
    return kept, sorted(refusals, key=lambda refusal: refusal.row)


def _strip(column: "pd.Series[Any]") -> "np.ndarray[Any, np.dtype[np.object_]]":
    texts = np.empty(len(column), dtype=object)
    for row, cell in enumerate(column.tolist()):
        texts[row] = (SEPARATOR.join(cell) if isinstance(cell, list) else cell).strip()
    return texts


def _image_names(frame: pd.DataFrame) -> list[list[str]]:
    names: list[list[str]] = [[] for _ in range(len(frame))]
    for column in ("image", "images"):
        for found, cell in zip(names, frame.get(column, []), strict=False):
            parts = cell if isinstance(cell, list) else cell.split(SEPARATOR)
            found.extend(part.strip() for part in parts if part.strip())
    return names


def _numbers(column: "pd.Series[Any]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    return pd.to_numeric(pd.Series(_strip(column)), errors="coerce").to_numpy(np.float64, copy=True)


def _seconds(column: "pd.Series[Any]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    seconds = _numbers(column)
    seconds[~np.isfinite(seconds)] = np.nan
    rest = np.isnan(seconds)
    if rest.any():
        dates = pd.to_datetime(
            pd.Series(_strip(column[rest])), format="ISO8601", utc=True, errors="coerce"
        )
        since = (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
        seconds[rest] = since.to_numpy(np.float64)
    return seconds


def _shown(value: Any) -> str:
    text = SEPARATOR.join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"

"""What wins when batches say different things: the last word, cell by cell and pair by pair."""

import pandas as pd


def merge_items(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row an item, sorted by item_id: of each column the last cell that is not empty.

    So a later batch corrects what it says and leaves what it does not say. `rows` come in the
    order of their batches.
    """
    columns = [str(name) for name in rows if name not in ("item_id", "batch")]
    cells = {name: rows[name].tolist() for name in columns}
    merged: dict[str, dict[str, object]] = {}
    for place, item in enumerate(rows["item_id"]):
        known = merged.setdefault(item, {})
        for name in columns:
            if len(cells[name][place]) or name not in known:
                known[name] = cells[name][place]
    items = sorted(merged)
    data = {name: [merged[item][name] for item in items] for name in columns}
    return pd.DataFrame({"item_id": items, **data}, columns=["item_id", *columns])


def keep_last_ratings(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a pair of user and item, the last by timestamp, then batch, then place.

    Sorted by timestamp, user_id, item_id.
    """
    ordered = rows.sort_values(["timestamp", "batch"], kind="stable")
    last = ordered.drop_duplicates(["user_id", "item_id"], keep="last")
    return last.sort_values(["timestamp", "user_id", "item_id"]).reset_index(drop=True)


def mark_first(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows of items are the first of their id in their batch, and have an id."""
    return (count_earlier(rows) == 0) & (rows["item_id"].fillna("") != "")


def count_earlier(rows: pd.DataFrame) -> "pd.Series[int]":
    """Return for each row of items how many before it have its id and its batch."""
    return rows.groupby(["batch", "item_id"], dropna=False).cumcount()

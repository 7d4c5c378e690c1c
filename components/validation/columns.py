"""Facts of ours, as columns beside the data's own: what the suites judge and no table says."""

import pandas as pd

from components.validation.merging import count_earlier, mark_first, merge_items


def describe_images(images: pd.DataFrame, facts: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Return one row of facts for each row of images, in their order.

    `megapixels`; `shown_by`, how many of the merged `items` name it; `look`, the difference hash,
    given once for the same bytes; `problem`, why it does not decode.
    """
    rows = images[["sha256", "batch"]].merge(facts, how="left", on="sha256")
    shown = items["images"].explode().value_counts()
    return rows.assign(
        megapixels=rows["width"] * rows["height"] / 1e6,
        shown_by=rows["sha256"].map(shown).fillna(0).astype("int64"),
        look=rows["dhash"].mask(rows["sha256"].duplicated(), None),
    )


def describe_items(rows: pd.DataFrame, present: set[str], usable: set[str]) -> pd.DataFrame:
    """Return item_id and facts for each row of items that came in, in their order.

    `earlier_in_batch` counts earlier rows of the same id in the same batch; `usable_images` and
    `absent_images` (no batch holds them) are of the item as a whole, merged over its rows.
    """
    merged = merge_items(rows[mark_first(rows)])
    counts = {
        item: (sum(i in usable for i in images), sum(i not in present for i in images))
        for item, images in zip(merged["item_id"], merged["images"], strict=True)
    }
    per_row = [counts.get(item, (0, 0)) for item in rows["item_id"]]
    return pd.DataFrame(
        {
            "item_id": rows["item_id"],
            "batch": rows["batch"],
            "earlier_in_batch": count_earlier(rows),
            "usable_images": pd.Series([row[0] for row in per_row], rows.index, dtype="int64"),
            "absent_images": pd.Series([row[1] for row in per_row], rows.index, dtype="int64"),
        }
    )


def describe_ratings(rows: pd.DataFrame, item_ids: set[str]) -> pd.DataFrame:
    """Return the ratings and `item_rows`, 1 where the item is among `item_ids`, else 0."""
    return rows.assign(item_rows=rows["item_id"].isin(item_ids).astype("int64"))

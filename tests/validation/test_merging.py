import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from components.validation.merging import count_earlier, keep_last_ratings, merge_items


def test_later_batch_wins_what_it_says_and_leaves_what_it_does_not_say() -> None:
    rows = pd.DataFrame(
        {
            "item_id": ["b", "a", "b"],
            "images": [["x"], [], []],
            "title": ["old", "A", "new"],
            "category": ["c", "", ""],
            "batch": [0, 0, 1],
        }
    )
    merged = merge_items(rows)
    assert merged["item_id"].tolist() == ["a", "b"]
    assert merged["title"].tolist() == ["A", "new"]
    assert merged["category"].tolist() == ["", "c"]
    assert merged["images"].tolist() == [[], ["x"]]


def test_no_items_merge_to_no_items_with_the_same_columns() -> None:
    rows = pd.DataFrame({"item_id": [], "images": [], "title": [], "batch": []})
    assert merge_items(rows).columns.tolist() == ["item_id", "images", "title"]


def test_earlier_rows_are_counted_within_a_batch_only() -> None:
    rows = pd.DataFrame({"item_id": ["a", "a", "b", "a"], "batch": [0, 0, 0, 1]})
    assert count_earlier(rows).tolist() == [0, 1, 0, 0]


ROWS = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 2)),
    max_size=30,
)


@given(ROWS)
def test_last_rating_of_a_pair_wins_by_time_then_batch_then_place(
    rows: list[tuple[str, str, int, int]],
) -> None:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "batch"])
    frame["rating"] = range(len(frame))
    kept = keep_last_ratings(frame)
    last: dict[tuple[str, str], tuple[int, int, int]] = {}
    for place, (user, item, timestamp, batch) in enumerate(rows):
        last[user, item] = max(last.get((user, item), (-1, -1, -1)), (timestamp, batch, place))
    pairs = zip(kept["user_id"], kept["item_id"], strict=True)
    assert dict(zip(pairs, kept["rating"], strict=True)) == {p: v[2] for p, v in last.items()}
    order = list(zip(kept["timestamp"], kept["user_id"], kept["item_id"], strict=True))
    assert order == sorted(order)

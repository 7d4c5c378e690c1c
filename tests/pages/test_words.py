import pytest

from components.pages.words import counted, describe_bytes, describe_seconds, order_slices


def test_one_is_counted_otherwise_than_none_and_many():
    assert [counted(count, "view") for count in (0, 1, 2000)] == [
        "0 views",
        "1 view",
        "2,000 views",
    ]
    assert counted(1, "batch waits", "batches wait") == "1 batch waits"
    assert counted(3, "batch waits", "batches wait") == "3 batches wait"


@pytest.mark.parametrize(
    ("count", "said"), [(999, "999 B"), (1500, "1.5 kB"), (17_400_000, "17.4 MB"), (2e9, "2 GB")]
)
def test_bytes_are_said_as_people_do(count: int, said: str):
    assert describe_bytes(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "40 ms"), (7.25, "7.2 s"), (99, "99.0 s"), (720, "12 min")]
)
def test_seconds_are_said_as_people_do(seconds: float, said: str):
    assert describe_seconds(seconds) == said


def test_slices_are_read_in_one_order_and_categories_by_their_rows():
    rows = {"category b": 5, "late": 40, "category a": 5, "warm": 9, "category c": 7, "all": 50}
    ordered = order_slices(rows)
    assert ordered == ["all", "warm", "late", "category c", "category a", "category b"]

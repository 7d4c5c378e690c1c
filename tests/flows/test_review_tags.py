import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.review_tags import (
    Wish,
    read_progress,
    read_wish,
    write_result,
    write_running,
    write_starting,
)


@pytest.mark.parametrize(
    ("value", "wish"),
    [
        ("approve", Wish("approve", "", "", "")),
        (" Approve : better lists\n", Wish("approve", "better lists", "", "")),
        ("reject: too slow: 3 s", Wish("reject", "too slow: 3 s", "", "")),
        ("approve by Anna: better", Wish("approve", "better", "Anna", "")),
        ("approve by anna@example.org", Wish("approve", "", "anna@example.org", "")),
        ("approve 0A1b2c3d: better", Wish("approve", "better", "", "0a1b2c3d")),
        ("approve 0a1b2c3d by Anna: better", Wish("approve", "better", "Anna", "0a1b2c3d")),
        ("reject: two\nlines", Wish("reject", "two\nlines", "", "")),
    ],
)
def test_tag_is_read_as_a_person_would(value: str, wish: Wish):
    assert read_wish(value) == wish


@pytest.mark.parametrize(
    "value", ["", "yes", "approved", "approve better", "approve, better", "approve by : x", "ok: x"]
)
def test_tag_that_says_something_else_is_not_guessed_at(value: str):
    assert read_wish(value) is None


@given(st.text(), st.text(), st.uuids())
def test_result_is_that_of_its_own_value_in_every_phase(value: str, says: str, attempt):
    name = str(attempt)
    assert read_progress(value, "").phase == "new"
    assert read_progress(value, write_starting(value, name)) == read_progress(
        f" {value} ", write_starting(value, name)
    )
    assert read_progress(value, write_starting(value, name)).id == name
    assert read_progress(value, write_running(value, name)).phase == "running"
    assert read_progress(value, write_result(value, f"failed: {says}")).phase == "done"


def test_result_of_another_value_leaves_a_new_one_to_do():
    assert read_progress("approve: b", write_result("approve: a", "promoted")).phase == "new"
    long = "approve: " + "x" * 400
    assert read_progress(f"{long}y", write_result(f"{long}z", "promoted")).phase == "new"
    assert len(write_result(long, "promoted")) < 400

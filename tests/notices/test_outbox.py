from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import CorruptFileError
from components.notices.outbox import Outbox, Standing


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / "notices.db")
    yield made
    made.close()


def test_notice_waits_until_it_is_sent_and_is_known_ever_after(outbox: Outbox, tmp_path: Path):
    assert outbox.put("b", "second", {"n": [1]}, 2.0)
    assert outbox.put("a", "first", {}, 1.0)
    assert [(one.key, one.event, one.payload) for one in outbox.waiting()] == [
        ("a", "first", {}),
        ("b", "second", {"n": [1]}),
    ]
    outbox.mark_sent("a")
    again = Outbox(tmp_path / "notices.db")
    assert [one.key for one in again.waiting()] == ["b"]
    assert not again.put("a", "first", {}, 9.0)
    assert not again.put("b", "second", {}, 9.0)
    assert [one.key for one in again.waiting()] == ["b"]
    again.close()


def test_failure_that_stands_is_told_once_and_anew_when_it_was_over(outbox: Outbox):
    broken, other = Standing("retrain", "disk full"), Standing("retrain", "no data")
    assert outbox.put("1", "failed", {}, 1.0, same=broken)
    assert not outbox.put("2", "failed", {}, 2.0, same=broken)
    assert outbox.put("3", "failed", {}, 3.0, same=other)
    assert outbox.put("4", "failed", {}, 4.0, same=broken)
    assert outbox.put("5", "failed", {}, 5.0, same=Standing("promote", "disk full"))
    outbox.clear("retrain")
    assert not outbox.put("2", "failed", {}, 6.0, same=broken)  # it was spoken of then
    assert outbox.put("6", "failed", {}, 6.0, same=broken)
    assert [one.key for one in outbox.waiting()] == ["1", "3", "4", "5", "6"]


def test_file_that_is_no_outbox_is_refused(tmp_path: Path):
    (tmp_path / "notices.db").write_bytes(b"no database, but long enough to be looked at" * 30)
    with pytest.raises(CorruptFileError, match="outbox of notices"):
        Outbox(tmp_path / "notices.db")

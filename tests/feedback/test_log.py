"""What the log takes, refuses and remembers."""

import sqlite3
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from components.errors import CorruptFileError, ParameterError
from components.feedback.address import find_address
from components.feedback.events import Event, LogBusyError, Remembered, RepeatedIdError, Stored
from components.feedback.log import RECENT, FeedbackLog
from components.feedback.tables import LAYOUT, events
from components.feedback.writer import Parcel, Writer, sort_out
from components.paths import Workspace
from components.settings import Settings
from components.sqlite import find_file, open_engine

RATING = Event("e1", "u1", "i1", "rating", 4.5, 1000)


def store(log: FeedbackLog, *sent: Event, caller: str = "") -> Stored:
    return log.submit(caller, sent).result(timeout=30)


def test_event_is_acknowledged_again_and_stored_once(log: FeedbackLog):
    assert store(log, RATING) == Stored(1, 0)
    assert store(log, RATING) == Stored(0, 1)
    assert store(log, RATING, replace(RATING, event_id="e2")) == Stored(1, 1)
    assert log.counts().kinds == {"rating": 2}


@pytest.mark.parametrize(
    "changed",
    [
        {"value": 4.0},
        {"user_id": "u2"},
        {"item_id": "i2"},
        {"kind": "view", "value": None},
        {"timestamp": 1001},
        {"timestamp": None},
        {"request_id": "r"},
        {"version": "3"},
        {"lineage_id": "l"},
    ],
)
def test_same_id_with_other_content_is_refused_with_all_beside_it(
    log: FeedbackLog, changed: dict[str, object]
):
    store(log, RATING)
    other = replace(RATING, **changed)  # type: ignore[arg-type]
    with pytest.raises(RepeatedIdError, match="'e1'"):
        store(log, replace(RATING, event_id="e2"), other)
    assert log.counts().kinds == {"rating": 1}
    assert log.recent_ratings("u1") == [Remembered("i1", 4.5, 1000)]


def test_request_that_contradicts_itself_is_refused_whole(log: FeedbackLog):
    with pytest.raises(RepeatedIdError):
        store(log, RATING, replace(RATING, value=1.0))
    assert log.counts().kinds == {}


def test_event_without_a_time_gets_the_servers_and_is_the_same_when_sent_later(address: str):
    times = iter([5000.5, 6000.5])
    engine = open_engine(address, LAYOUT)
    writer = Writer(engine, clock=lambda: next(times))
    timeless = replace(RATING, timestamp=None)
    assert writer.submit("", [timeless]).result(30) == Stored(1, 0)
    assert writer.submit("", [timeless]).result(30) == Stored(0, 1)
    writer.close()
    with engine.connect() as connection:
        assert connection.execute(select(events.c.timestamp)).scalars().all() == [5000]
    engine.dispose()


def test_callers_have_event_ids_of_their_own(log: FeedbackLog):
    assert store(log, RATING, caller="shop") == Stored(1, 0)
    assert store(log, replace(RATING, value=1.0), caller="app") == Stored(1, 0)
    assert store(log, RATING, caller="shop") == Stored(0, 1)


EVENTS = st.builds(
    Event,
    st.sampled_from("abcde"),
    st.sampled_from(["u1", "u2", "ü\U0001f600"]),
    st.just("i1"),
    st.just("rating"),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([None, 7]),
)
REQUESTS = st.lists(
    st.tuples(st.sampled_from(["", "shop"]), st.lists(EVENTS, min_size=1, max_size=4)), max_size=12
)


@given(requests=REQUESTS, at_once=st.booleans())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_is_sent_and_sent_again_is_stored_once_or_refused(
    tmp_path: Path, requests: list[tuple[str, list[Event]]], at_once: bool
):
    """Against a dictionary: the first content of each id stays, and requests are all or none."""
    address = f"sqlite:///{tmp_path / str(len(list(tmp_path.iterdir())))}"
    log = FeedbackLog(address)
    futures = []
    for caller, sent in requests:
        futures.append(log.submit(caller, sent))
        if not at_once:
            futures[-1].exception(timeout=30)
    expected: dict[tuple[str, str], str] = {}
    for (caller, sent), future in zip(requests, futures, strict=True):
        told = [((caller, event.event_id), event.digest()) for event in sent]
        together = dict(reversed(told)) | expected
        if all(together[key] == digest for key, digest in told):
            new = len(together) - len(expected)
            assert future.result(timeout=30) == Stored(new, len(sent) - new)
            expected = together
        else:
            assert isinstance(future.exception(timeout=30), RepeatedIdError)
    log.close()
    engine = open_engine(address, LAYOUT)
    with engine.connect() as connection:
        rows = connection.execute(select(events.c.caller, events.c.event_id, events.c.sent)).all()
    engine.dispose()
    assert sorted((row[:2], row[2]) for row in map(tuple, rows)) == sorted(expected.items())


def test_many_at_once_share_commits(address: str):
    log = FeedbackLog(address)
    commits = []
    from sqlalchemy import event

    event.listen(log._engine, "commit", lambda _: commits.append(1))
    with ThreadPoolExecutor(32) as threads:
        futures = list(
            threads.map(
                lambda row: log.submit("", [replace(RATING, event_id=str(row))]), range(500)
            )
        )
        assert [future.result(timeout=30) for future in futures] == [Stored(1, 0)] * 500
    log.close()
    assert len(commits) < 250


def test_close_stores_what_waits_and_takes_no_more(address: str):
    log = FeedbackLog(address)
    futures = [log.submit("", [replace(RATING, event_id=str(row))]) for row in range(50)]
    log.close()
    assert all(future.result(timeout=0) == Stored(1, 0) for future in futures)
    with pytest.raises(LogBusyError, match="closed"):
        log.submit("", [RATING])


def test_too_much_that_waits_is_refused_at_once(log: FeedbackLog):
    with sqlite3.connect(log._engine.url.database or "", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        futures: list[Future[Stored]] = []

        def fill() -> None:
            for row in range(40):
                many = [replace(RATING, event_id=f"{row}.{n}") for n in range(1000)]
                futures.append(log.submit("", many))

        with pytest.raises(LogBusyError, match="wait to be stored"):
            fill()
        other.execute("ROLLBACK")
    other.close()
    assert {future.result(timeout=60) for future in futures} == {Stored(1000, 0)}


def test_log_that_another_process_holds_for_too_long_says_so(
    address: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("components.sqlite.BUSY_SECONDS", 0.05)
    log = FeedbackLog(address)
    other = sqlite3.connect(log._engine.url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogBusyError, match="locked"):
        store(log, RATING)
    other.execute("ROLLBACK")
    other.close()
    assert store(log, RATING) == Stored(1, 0)
    log.close()


def test_latest_thousand_ratings_of_a_user_are_remembered_oldest_first(log: FeedbackLog):
    many = [Event(f"e{n}", "u1", f"i{n}", "rating", 3.0, 2000 - n) for n in range(RECENT)]
    store(log, *many)
    store(
        log,
        Event("x1", "u1", "again", "rating", 1.0, 3000),
        Event("x2", "u1", "again", "rating", 2.0, 3000),
        Event("x3", "u1", "i5", "view", None, 3000),
        Event("x4", "u2", "i5", "rating", 5.0, 3000),
    )
    ratings = log.recent_ratings("u1")
    assert len(ratings) == RECENT
    assert ratings[-3:] == [
        Remembered("i0", 3.0, 2000),
        Remembered("again", 1.0, 3000),
        Remembered("again", 2.0, 3000),
    ]
    assert [rating.timestamp for rating in ratings] == sorted(r.timestamp for r in ratings)
    assert log.recent_ratings("u1", since=2000) == ratings[-2:]
    assert log.recent_ratings("nobody") == []


def test_ratings_of_a_user_are_found_by_an_index(log: FeedbackLog):
    from components.feedback.log import _RECENT

    with log._engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {_RECENT}", ("u", 0, 9)).all()
    assert [row[3] for row in plan] == [
        "SEARCH events USING INDEX events_of_user (user_id=? AND kind=? AND timestamp>?)"
    ]


def test_file_is_readable_by_its_owner_only_and_survives_a_crash_of_the_machine(address: str):
    log = FeedbackLog(address)
    file = find_file(address, LAYOUT)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with log._engine.connect() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    log.close()


@pytest.mark.parametrize("content", [b"no database at all, but long enough" * 100, None])
def test_file_that_is_no_log_is_refused(tmp_path: Path, content: bytes | None):
    file = tmp_path / "feedback.db"
    if content is None:
        with sqlite3.connect(file) as other:
            other.execute("PRAGMA user_version=9")
        other.close()
    else:
        file.write_bytes(content)
    with pytest.raises(CorruptFileError, match="feedback log"):
        FeedbackLog(f"sqlite:///{file}")


@pytest.mark.parametrize(
    "address",
    ["", "feedback.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///x?mode=ro"],
)
def test_address_that_names_no_file_is_refused(address: str):
    with pytest.raises(ParameterError, match="BEHOLDER_FEEDBACK_URL"):
        find_file(address, LAYOUT)


def test_address_with_a_password_is_refused_without_showing_it():
    with pytest.raises(ParameterError, match="postgresql") as refused:
        find_file("postgresql://me:secret@host/db", LAYOUT)
    assert "secret" not in str(refused.value)


def test_log_lies_in_the_workspace_unless_the_settings_say_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    workspace = Workspace(tmp_path)
    own = find_address(workspace, Settings())
    assert find_file(own, LAYOUT) == tmp_path / ".beholder/feedback.db"
    monkeypatch.chdir(tmp_path)
    elsewhere = Settings(feedback_url="sqlite:///else.db")
    assert find_address(workspace, elsewhere) == f"sqlite:///{tmp_path / 'else.db'}"


def test_parcel_that_is_refused_leaves_no_trace():
    known = {("", "e1"): RATING.digest()}
    with pytest.raises(RepeatedIdError):
        sort_out(Parcel("", [replace(RATING, event_id="e2"), replace(RATING, value=1.0)]), known)
    assert known == {("", "e1"): RATING.digest()}


def test_start_of_the_newest_ratings_that_name_an_answer_is_found(log: FeedbackLog):
    for number, kind in enumerate(("rating", "view", "rating", "rating")):
        value = 3.0 if kind == "rating" else None
        event = replace(RATING, event_id=f"e{number}", kind=kind, value=value, request_id="r1")
        log.submit("", [event, replace(RATING, event_id=f"f{number}", request_id=None)]).result(30)
    moments = sorted(told.stored_at for told in log.named())
    assert log.find_start(1) == max(moments)
    assert log.find_start(3) < log.find_start(2) < log.find_start(1)
    assert log.find_start(4, since=5.0) == 5.0
    assert log.find_start(1, since=max(moments) + 1) == max(moments) + 1

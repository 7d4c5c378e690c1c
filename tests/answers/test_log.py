"""What the answer log keeps, drops and forgets."""

import logging
import math
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from components.answers.address import find_address
from components.answers.answered import Answered, Glance
from components.answers.log import AnswerLog
from components.answers.sweeping import PORTION, measure, sweep
from components.answers.tables import FIELDS, INSERT, LAYOUT, pack, unpack
from components.answers.writer import Writer
from components.errors import CorruptFileError, ParameterError
from components.feedback.log import FeedbackLog
from components.paths import Workspace
from components.settings import Settings
from components.sqlite import open_engine

ANSWER = Answered(
    *("r1", 1000.0, 0.002, "recommend", "3", "814e34d0720b36d1", "shop", "u1", "factors"),
    items=("i1", "i2"),
    ratings=(4.25, 3.5),
)
LISTS = st.none() | st.lists(st.text(max_size=5), max_size=4).map(tuple)


def make_writer(engine: Engine, **changed: float) -> Writer:
    limits = {"keep_seconds": 1e12, "max_bytes": 1e9, **changed}
    return Writer(engine, **limits)  # type: ignore[arg-type]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)  # a thread of its own does it, and tells nobody


def fill(engine: Engine, number: int, at: float = 0.0) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        rows = [pack(ANSWER._replace(at=at + row)) for row in range(number)]
        connection.exec_driver_sql(INSERT, rows)
        connection.commit()


@given(
    texts=st.tuples(LISTS, LISTS, LISTS),
    ratings=st.lists(st.none() | st.floats(-100, 100).map(lambda x: float(f"{x:.6g}")), max_size=4),
)
def test_answer_comes_out_of_its_row_as_it_went_in(
    texts: tuple[tuple[str, ...] | None, ...], ratings: list[float | None]
):
    items, users, paths = texts
    answer = ANSWER._replace(items=items, users=users, paths=paths, ratings=tuple(ratings))
    row = dict(zip(FIELDS, pack(answer), strict=True))
    assert unpack(row) == answer  # type: ignore[arg-type]


def test_answers_of_a_time_are_glanced_at_the_newest_first(address: str):
    log = AnswerLog(address)
    log.begin(keep_days=36_500, max_gb=1)
    pairs = ANSWER._replace(at=1002.0, user_id=None, users=("u1", "u2"), paths=("prior", "factors"))
    for answer in (ANSWER, ANSWER._replace(at=1001.0), pairs, ANSWER._replace(at=1003.0)):
        log.submit(answer)
    log.close()
    log = AnswerLog(address)
    seen = log.glances(1000.0, 1003.0, most=10)
    assert [one.at for one in seen] == [1002.0, 1001.0, 1000.0]
    assert seen[0].users == ("u1", "u2")
    assert seen[0].paths == ("prior", "factors")
    assert seen[2] == Glance(1000.0, 0.002, "recommend", "3", "u1", "factors", None, None)
    assert [one.at for one in log.glances(0.0, 2000.0, most=2)] == [1003.0, 1002.0]
    log.close()


def test_rating_that_is_no_number_is_kept_as_none():
    packed = pack(ANSWER._replace(ratings=(math.nan, math.inf, 3.123456789)))
    assert packed[FIELDS.index("ratings")] == "[null,null,3.12346]"


def test_answers_are_found_by_their_request_and_a_repeated_id_finds_both(address: str):
    log = AnswerLog(address)
    log.begin(keep_days=30, max_gb=1)
    now = 4e9
    later = ANSWER._replace(at=now + 1, user_id="u2")
    for answer in (later, ANSWER._replace(at=now), ANSWER._replace(at=now, request_id="r2")):
        log.submit(answer)
    log.close()
    again = AnswerLog(address)
    assert again.find("r1") == [ANSWER._replace(at=now), later]
    assert set(again.find_all(["r1", "r2", "r3", "r2"])) == {"r1", "r2"}
    assert again.find("r3") == []
    kept = again.count()
    assert (kept.answers, kept.first, kept.last, kept.lost) == (3, now, now + 1, 0)
    again.close()


def test_empty_log_counts_nothing(log: AnswerLog):
    kept = log.count()
    assert (kept.answers, kept.first, kept.lost) == (0, None, 0)


def test_file_that_another_process_holds_keeps_nobody_waiting_and_loses_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("components.sqlite.BUSY_SECONDS", 0.01)
    monkeypatch.setattr("components.answers.writer._GATHER_SECONDS", 0.01)
    monkeypatch.setattr("components.answers.writer._RETRY_SECONDS", 0.01)
    log = AnswerLog(address)
    log.begin(keep_days=1e5, max_gb=1)
    holder = sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.WARNING):
        log.submit(ANSWER)
        log.submit(ANSWER._replace(at=1001.0))
        until(lambda: "answers wait" in caplog.text)
    holder.execute("ROLLBACK")
    holder.close()
    log.close()
    again = AnswerLog(address)
    assert [one.at for one in again.find("r1")] == [1000.0, 1001.0]
    assert again.count().lost == 0
    again.close()


def test_where_too_much_waits_the_oldest_is_dropped_counted_and_told(address: str):
    engine, told = open_engine(address, LAYOUT), list[int]()
    weight = 2 * (len(ANSWER.ratings) + 10)
    writer = Writer(
        engine, keep_seconds=1e12, max_bytes=1e9, max_waiting=weight, on_loss=told.append
    )
    holder = sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for at in range(5):
        writer.submit(ANSWER._replace(at=float(at)))
    holder.execute("ROLLBACK")
    holder.close()
    writer.close()
    engine.dispose()
    log = AnswerLog(address)
    kept = log.count()
    assert kept.answers + kept.lost == 5
    assert sum(told) == kept.lost >= 1
    assert log.find("r1")[-1].at == 4.0
    log.close()


def test_row_that_no_file_takes_is_lost_and_the_next_ones_are_kept(
    address: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("components.answers.writer._GATHER_SECONDS", 0.01)
    monkeypatch.setattr("components.answers.writer._RETRY_SECONDS", 0.01)
    log = AnswerLog(address)
    log.begin(keep_days=1e5, max_gb=1)
    log.submit(ANSWER._replace(user_id=object()))  # type: ignore[arg-type]
    until(lambda: "answers lost" in caplog.text)
    log.submit(ANSWER)
    log.close()
    again = AnswerLog(address)
    assert (len(again.find("r1")), again.count().lost) == (1, 1)
    again.close()


def test_old_answers_go_a_portion_at_a_time(address: str):
    engine = open_engine(address, LAYOUT)
    fill(engine, PORTION + 10)
    fill(engine, 5, at=1e9)
    swept = [sweep(engine, before=1e9, max_bytes=1e12) for _ in range(3)]
    assert swept == [PORTION, 10, 0]
    log = AnswerLog(address)
    assert [one.at for one in log.find("r1")] == [1e9 + row for row in range(5)]
    log.close()
    engine.dispose()


def test_where_there_is_too_much_the_oldest_go_first(address: str):
    engine = open_engine(address, LAYOUT)
    fill(engine, 3 * PORTION)
    with engine.connect() as connection:
        half = measure(connection) / 2
    while sweep(engine, before=0.0, max_bytes=half):
        pass
    log = AnswerLog(address)
    left = [one.at for one in log.find("r1")]
    assert 0 < len(left) < 3 * PORTION
    assert left[-1] == 3 * PORTION - 1
    assert log.count().bytes <= half
    log.close()
    engine.dispose()


def test_writer_lets_old_answers_go_by_itself(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("components.answers.writer._GATHER_SECONDS", 0.01)
    engine = open_engine(address, LAYOUT)
    fill(engine, 3 * PORTION)
    log = AnswerLog(address)
    writer = make_writer(engine, keep_seconds=1.0)
    until(lambda: not log.count().answers)
    writer.close()
    log.close()
    engine.dispose()


def test_file_is_ours_alone_and_one_that_is_no_answer_log_is_refused(tmp_path: Path):
    other = tmp_path / "feedback.db"
    FeedbackLog(f"sqlite:///{other}").close()
    with pytest.raises(CorruptFileError, match=r"no answer log: .* BEHOLDER_ANSWERS_URL"):
        AnswerLog(f"sqlite:///{other}")
    AnswerLog(f"sqlite:///{tmp_path / 'a.db'}").close()
    assert stat.S_IMODE((tmp_path / "a.db").stat().st_mode) == 0o600


def test_address_is_the_workspaces_unless_the_settings_differ(tmp_path: Path):
    workspace = Workspace(tmp_path)
    default = Settings(answers_url=None)
    assert find_address(workspace, default) == f"sqlite:///{tmp_path}/.beholder/answers.db"
    assert find_address(workspace, Settings(answers_url="off")) is None
    own = find_address(workspace, Settings(answers_url=f"sqlite:///{tmp_path}/a.db"))
    assert own == f"sqlite:///{tmp_path}/a.db"
    with pytest.raises(ParameterError, match="BEHOLDER_ANSWERS_URL: 'postgres' is no"):
        find_address(workspace, Settings(answers_url="postgres"))

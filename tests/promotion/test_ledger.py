import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.errors import ConflictError, ServiceError
from components.locking import hold_lock
from components.promotion.chain import Chain, Mark
from components.promotion.journal import FileJournal, RunJournal, open_run
from components.promotion.ledger import Ledger, find_actor
from components.promotion.registry import Registry
from components.promotion.store import Store
from components.settings import load_settings


class Drawer:
    """A home of a ledger in a folder, where a registered model would be its home."""

    def __init__(self, folder: Path, champion: int | None = None) -> None:
        self.mark: Mark | None = None
        self._folder = folder
        self._champion = champion

    def recall(self) -> Mark | None:
        return self.mark

    def remember(self, mark: Mark) -> None:
        self.mark = mark

    def champion(self) -> int | None:
        return self._champion

    @contextmanager
    def hold(self) -> Iterator[None]:
        with hold_lock(self._folder / "lock", wait_seconds=60, what="a drawer"):
            yield


@pytest.fixture
def home(tmp_path: Path) -> Drawer:
    return Drawer(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger/beholder.jsonl"


@pytest.fixture
def ledger(file: Path, home: Drawer) -> Ledger:
    return Ledger(FileJournal(file), home)


def test_empty_ledger_is_whole_and_makes_no_file(ledger: Ledger, file: Path):
    assert ledger.read().entries == ()
    assert ledger.verify() == ()
    assert not file.exists()


def test_first_entry_is_preceded_by_whom_the_ledger_found(tmp_path: Path, file: Path):
    ledger = Ledger(FileJournal(file), Drawer(tmp_path, champion=4))
    entry = ledger.append("verdict", version=5, reason="better", actor="anna")
    opened, verdict = ledger.read().entries
    assert (opened.kind, opened.version) == ("opened", 4)
    assert verdict == entry
    assert (verdict.number, verdict.actor, verdict.reason) == (2, "anna", "better")
    assert verdict.time.endswith("Z")
    assert ledger.verify() == ()


def test_line_is_json_that_other_programs_read(ledger: Ledger, file: Path):
    ledger.append("decision", version=1, reason="«schön»", evidence={"decision": "approve"})
    line = json.loads(file.read_text().splitlines()[-1])
    assert line["reason"] == "«schön»"
    assert line["evidence"] == {"decision": "approve"}


def test_who_acts_is_the_user_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
):
    assert "@" in find_actor()
    monkeypatch.setenv("BEHOLDER_ACTOR", "nightly")
    load_settings.cache_clear()
    try:
        assert find_actor() == "nightly"
    finally:
        load_settings.cache_clear()


def test_same_thing_twice_in_a_row_is_told_once(ledger: Ledger):
    first = ledger.append_once("verdict", version=1, reason="a", evidence={"x": 1})
    assert ledger.append_once("verdict", version=1, reason="a", evidence={"x": 1}) == first
    ledger.append_once("verdict", version=1, reason="b", evidence={"x": 1})
    again = ledger.append_once("verdict", version=1, reason="a", evidence={"x": 1})
    assert again.number == 4


def test_check_sees_the_chain_and_may_forbid_the_entry(ledger: Ledger):
    ledger.append("verdict", version=1)

    def forbid(chain: Chain) -> None:
        raise ConflictError(f"after entry {chain.entries[-1].number}")

    with pytest.raises(ConflictError, match="after entry 2"):
        ledger.append("verdict", version=2, check=forbid)
    assert len(ledger.read().entries) == 2


@pytest.mark.parametrize("bytes_kept", [1, 40, -1])
def test_line_torn_by_a_kill_is_cut_off_and_that_is_told(
    ledger: Ledger, file: Path, caplog: pytest.LogCaptureFixture, bytes_kept: int
):
    ledger.append("verdict", version=1)
    whole = file.read_bytes()
    line = whole.splitlines()[-1]
    file.write_bytes(whole + line[:bytes_kept])
    assert ledger.verify() == ()
    ledger.append("verdict", version=2)
    kinds = [entry.kind for entry in ledger.read().entries]
    assert kinds == ["opened", "verdict", "mended", "verdict"]
    assert "bytes of a line were cut off" in ledger.read().entries[2].reason
    assert "ledger line cut" in caplog.text
    assert ledger.verify() == ()


def test_line_that_lacks_only_its_end_is_completed(ledger: Ledger, file: Path, home: Drawer):
    before = ledger.append("verdict", version=1)
    mark = home.mark
    torn = ledger.append("verdict", version=2)
    file.write_bytes(file.read_bytes()[:-1])
    home.mark = mark
    after = ledger.append("verdict", version=3)
    assert ledger.read().entries[-3:] == (before, torn, after)
    assert ledger.verify() == ()


def test_lost_file_is_gone_on_with_by_number_and_never_looks_whole(ledger: Ledger, file: Path):
    ledger.append("verdict", version=1)
    lost = file.read_bytes()
    file.unlink()
    assert ledger.verify()[0].says.endswith("the registry remembers entry 2")
    assert ledger.append("verdict", version=2).number == 3
    assert ledger.verify()[0].line == 1
    file.write_bytes(lost + file.read_bytes())
    assert ledger.verify() == ()


def test_replaced_last_line_stays_visible_after_the_next_entry(ledger: Ledger, file: Path):
    ledger.append("verdict", version=1)
    true = file.read_bytes()
    false = Ledger(FileJournal(file), Drawer(file.parent))
    file.write_bytes(b"".join(true.splitlines(keepends=True)[:1]))
    false.append("verdict", version=99)
    assert ledger.verify()[0].line == 2
    ledger.append("verdict", version=3)
    assert ledger.verify()[0].says.endswith("that one was replaced")


def test_many_writers_at_once_make_one_chain(file: Path, home: Drawer):
    def write(number: int) -> None:
        own = Ledger(FileJournal(file), home)
        for _ in range(5):
            own.append("verdict", version=number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = Ledger(FileJournal(file), home)
    assert len(ledger.read().entries) == 21
    assert ledger.verify() == ()


@pytest.mark.integration
def test_writer_killed_in_the_middle_of_a_line_leaves_a_chain_that_goes_on(sqlite_place):
    script = f"""
import os, signal
from components.promotion.journal import FileJournal
from components.promotion.registry import Registry
append = FileJournal._append
def append_half_and_die(self, content):
    append(self, content[: len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
FileJournal._append = append_half_and_die
Registry({sqlite_place.uri!r}, {sqlite_place.model!r}).ledger.append("verdict", version=1)
"""
    registry = Registry(sqlite_place.uri, sqlite_place.model)
    registry.ledger.append("verdict", version=0)
    child = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ.copy())
    assert child.returncode == -signal.SIGKILL
    assert registry.ledger.verify() == ()
    registry.ledger.append("verdict", version=2)
    assert registry.ledger.verify() == ()
    kinds = [entry.kind for entry in registry.ledger.read().entries]
    assert kinds == ["opened", "verdict", "mended", "verdict"]


# On a server


@pytest.fixture
def server_place(mlflow_server, tmp_path: Path):
    uri, _ = mlflow_server
    return Store(uri), f"beholder-{tmp_path.name}"


@pytest.mark.integration
def test_of_two_writers_of_one_number_a_server_lets_one_in(server_place):
    store, model = server_place
    run = open_run(store, model)
    journals = [RunJournal(store, lambda _: run) for _ in range(2)]
    lines = [b'{"writer":0}', b'{"writer":1}']
    start, won = threading.Barrier(2), dict[int, bool]()

    def write(which: int) -> None:
        start.wait()
        won[which] = journals[which].put(1, lines[which])

    threads = [threading.Thread(target=write, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [which for which, is_first in won.items() if is_first]
    assert journals[0].read().whole == (lines[winner],)
    assert journals[winner].put(1, lines[winner])  # asked again because the answer was lost


@pytest.mark.integration
def test_line_that_a_server_would_cut_is_refused(server_place):
    store, model = server_place
    run = open_run(store, model)
    with pytest.raises(ServiceError, match="6,001 characters is too long"):
        RunJournal(store, lambda _: run).put(1, b"x" * 6001)


@pytest.mark.integration
def test_two_machines_share_the_ledger_of_a_server(server_place):
    store, model = server_place
    registries = [Registry(store.uri, model) for _ in range(2)]
    assert registries[0].ledger.verify() == ()
    for number, registry in enumerate((*registries, *registries), 1):
        registry.ledger.append("verdict", version=number)
    versions = [entry.version for entry in registries[1].ledger.read().entries]
    assert versions == [None, 1, 2, 3, 4]
    assert registries[0].ledger.verify() == ()

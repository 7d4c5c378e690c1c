"""Askers, rounds and what kills leave of them, against a real Prefect server."""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.errors import ServiceError
from components.locking import hold_lock
from components.paths import Workspace
from components.triggering.book import Book
from flows.asking import ask, open_book

pytestmark = pytest.mark.integration


@pytest.fixture
def served(prefect_server: None, workspace: Workspace) -> Iterator[Workspace]:
    """A workspace whose deployment `retrain` Prefect knows, and nobody runs."""
    from prefect.client.orchestration import get_client

    from flows.deployments import name_deployment
    from flows.retrain_flow import retrain

    with get_client(sync_client=True) as client:
        place = {"workspace": str(workspace.root), "kind": "hand"}
        made = client.create_deployment(
            client.create_flow(retrain), name_deployment(workspace), parameters=place
        )
        yield workspace
        client.delete_deployment(made)


@pytest.fixture
def book(served: Workspace) -> Iterator[Book]:
    with open_book(served) as made:
        yield made


def runs_of(workspace: Workspace) -> list[Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_flow_runs()
    return [run for run in found if run.parameters.get("workspace") == str(workspace.root)]


def set_state(run_id: str, state: Any) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(uuid.UUID(run_id), state, force=True)


def begin(book: Book, flow_run: str) -> int:
    begun = book.begin(flow_run, "d", "p", time.time())
    assert begun is not None
    return begun.number


def test_storm_of_sixteen_is_one_run_and_who_asks_during_it_is_the_next(
    served: Workspace, book: Book
):
    askings = []
    threads = [
        threading.Thread(target=lambda n=n: askings.append(ask(served, "hand", f"asker {n}")))
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {asking.round for asking in askings} == {1}
    assert len({asking.flow_run for asking in askings}) == 1
    assert len(runs_of(served)) == 1
    begun = book.begin(askings[0].flow_run, "d", "p", time.time())
    assert begun is not None
    assert len(begun.asked) == 16

    late = ask(served, "hand", "late")
    assert (late.round, late.joined) == (2, False)
    assert len(runs_of(served)) == 2


def test_asker_waits_for_others_and_a_person_does_not(served: Workspace):
    first = ask(served, "data", "new", key="k")
    assert first.starts_at > time.time() + 30
    again = ask(served, "data", "new", key="k")
    assert (again.flow_run, again.joined) == (first.flow_run, True)
    person = ask(served, "hand", "now")
    assert person.flow_run == first.flow_run
    assert person.starts_at < time.time() + 5
    (run,) = runs_of(served)
    assert run.parameters["round_number"] == 1


def test_run_that_ended_before_it_began_its_round_is_followed_by_another(served: Workspace):
    from prefect.states import Cancelled

    first = ask(served, "hand", "one")
    set_state(first.flow_run, Cancelled(message="by a person"))
    second = ask(served, "hand", "two")
    assert (second.round, second.flow_run != first.flow_run) == (1, True)
    assert ask(served, "hand", "three").flow_run == second.flow_run


def test_asking_without_a_worker_names_the_command_and_is_written_down(
    prefect_server: None, workspace: Workspace
):
    with pytest.raises(ServiceError, match="run 'beholder up'"):
        ask(workspace, "hand", "too early")
    with open_book(workspace) as book:
        assert book.find_open() is not None


def test_round_whose_process_is_gone_is_told_in_plain_words_and_heard_again(
    served: Workspace, book: Book
):
    from prefect.states import Running

    from flows.reconciling import reconcile

    asking = ask(served, "hand", "one")
    set_state(asking.flow_run, Running())
    begin(book, asking.flow_run)
    with hold_lock(served.run / f"flows/{asking.flow_run}.lock", wait_seconds=0, what="a test"):
        reconcile(served)
    assert [run.state.type.value for run in runs_of(served)] == ["RUNNING"]
    assert len(book.at_work()) == 1
    reconcile(served)
    reconcile(served)
    states = {str(run.id): run.state for run in runs_of(served)}
    gone = states.pop(asking.flow_run)
    assert gone.type.value == "CRASHED"
    assert gone.message == (
        "Its process ended without a word: it was killed, or the machine went down. "
        "Who asked is heard again in round 2, which goes on with its work."
    )
    assert [state.type.value for state in states.values()] == ["SCHEDULED"]
    waiting = book.find_open()
    assert waiting is not None
    assert [one.reason for one in waiting.asked] == ["one"]


def test_run_that_was_cancelled_by_a_person_is_not_heard_again(served: Workspace, book: Book):
    from prefect.states import Cancelled

    from flows.reconciling import reconcile

    asking = ask(served, "hand", "one")
    begin(book, asking.flow_run)
    set_state(asking.flow_run, Cancelled(message="no"))
    reconcile(served)
    assert book.find_open() is None
    assert [found.outcome for found in book.latest()] == ["cancelled"]


def test_run_that_could_not_say_how_it_ended_ends_as_the_book_says(served: Workspace, book: Book):
    from prefect.states import Running

    from flows.reconciling import reconcile

    asking = ask(served, "hand", "one")
    number = begin(book, asking.flow_run)
    book.end(number, "promoted", "better", now=time.time(), version=3)
    set_state(asking.flow_run, Running())
    reconcile(served, datetime.now(UTC) + timedelta(minutes=2))
    (run,) = runs_of(served)
    assert (run.state.type.value, run.state.name) == ("COMPLETED", "Promoted")
    assert run.state.message == "better"


def test_run_of_a_terminal_that_was_killed_does_not_stay_running(served: Workspace):
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    from flows.reconciling import reconcile
    from flows.retrain_flow import retrain

    with get_client(sync_client=True) as client:
        given = {"workspace": str(served.root)}
        client.create_flow_run(retrain, parameters=given, state=Running())
    reconcile(served)
    assert [run.state.type.value for run in runs_of(served)] == ["RUNNING"]  # it may just begin
    reconcile(served, datetime.now(UTC) + timedelta(minutes=2))
    assert [run.state.type.value for run in runs_of(served)] == ["CRASHED"]


def test_asker_whose_event_was_lost_gets_the_run_that_is_owed(served: Workspace, book: Book):
    from components.triggering.policy import Asked
    from flows.reconciling import reconcile

    book.ask(Asked("data", "new", {}, time.time() - 80))
    reconcile(served)
    assert runs_of(served) == []
    book.ask(Asked("drift", "moved", {}, time.time() - 100))
    reconcile(served)
    reconcile(served)
    (run,) = runs_of(served)
    assert run.parameters["round_number"] == 1


def test_data_that_was_changed_by_whoever_is_told_once_by_version(served: Workspace, book: Book):
    from flows.watching import watch_data

    assert not watch_data(served)  # nothing is there
    write_batches_of(served, 2)
    with hold_lock(served.work_lock, wait_seconds=0, what="a test"):
        assert not watch_data(served)  # who is at work may be learning it
    assert watch_data(served)
    assert not watch_data(served)
    waiting = book.find_open()
    assert waiting is not None
    (one,) = waiting.asked
    assert (one.kind, one.evidence["ratings"]) == ("data", 20)
    write_batches_of(served, 3)
    assert watch_data(served)


def write_batches_of(workspace: Workspace, count: int) -> None:
    from components.batches import Batch, write_batches

    names = [f"{number:x}" * 64 for number in range(1, count + 1)]
    write_batches(workspace, tuple(Batch(name[:16], name, 1, 1, 10) for name in names))


def test_presence_lasts_as_long_as_the_process(served: Workspace):
    from flows.presence import is_present

    assert not is_present(served, "run")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with hold_lock(served.run / "flows/run.lock", wait_seconds=0, what="a test"):
            os.write(writer, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(reader, 1)
    assert is_present(served, "run")
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert not is_present(served, "run")
    os.close(reader)
    os.close(writer)

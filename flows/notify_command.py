"""`beholder notify`: who is told what happened, and whether it arrives."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import typer

from components.errors import BeholderError, ParameterError, ServiceError
from components.notices.deliveries import read_deliveries
from components.notices.notice import Notice
from components.notices.receiver import (
    Receiver,
    find_receiver,
    keep_receiver,
    make_receiver,
)
from components.paths import Workspace
from flows.console import show_steps, step

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.5
NOBODY = "nobody is told; 'beholder notify URL' sets who is"


def set_and_show(
    workspace: Workspace,
    url: str | None,
    on: str | None,
    form: str | None,
    *,
    test: bool,
    off: bool,
) -> None:
    """Set, test, remove or only show who is told, as the options of the command say."""
    if off:
        if on or form or test:
            raise ParameterError("--off goes with no other option")
        _remove(workspace)
        return
    if url or on or form:
        receiver = _choose(workspace, url, on, form)
        keep_receiver(workspace, receiver)
        _connect(workspace)
    for line in describe(workspace):
        typer.echo(line)
    if test:
        typer.echo(_test(workspace))


def describe(workspace: Workspace) -> Iterator[str]:
    """Yield who is told, and what became of the last call, a line each."""
    receiver = find_receiver(workspace)
    if receiver is None:
        yield NOBODY
        return
    yield f"tells    {receiver.shown_url}, as {receiver.form}"
    yield f"on       {', '.join(receiver.on)}"
    calls = read_deliveries(workspace)
    if calls.last is not None:
        yield f"last     {calls.last.at}: {calls.last.says}"
    if calls.failed is not None and calls.failed != calls.last:
        yield f"failed   {calls.failed.at}: {calls.failed.says}"


def _choose(workspace: Workspace, url: str | None, on: str | None, form: str | None) -> Receiver:
    """Return the receiver that the options mean; what they leave out stays as it was."""
    before = find_receiver(workspace)
    if url is None and before is None:
        raise ParameterError(f"{NOBODY}; --on and --kind go with it")
    if url is None:
        assert before is not None
        url, form = before.url, form or before.form
    elif url == "-":
        url = _read_secret()
    if on is None and before is not None:
        on = ",".join(before.on)
    return make_receiver(url, form, on)


def _read_secret() -> str:
    """Read the URL from standard input; on a terminal it is asked for and not shown."""
    if sys.stdin.isatty():
        asked: str = typer.prompt("URL", hide_input=True)
        return asked.strip()
    return sys.stdin.readline().strip()


def _connect(workspace: Workspace) -> None:
    """Let Prefect know; where it cannot be reached the worker sees to it, and that is said."""
    from flows.calling import ensure_calls
    from flows.retraining import connect_prefect

    with show_steps(), step("notify") as now:
        try:
            connect_prefect(workspace)
            now.note = "set in Prefect" if ensure_calls(workspace) else "was set already"
        except (BeholderError, httpx.HTTPError) as error:
            raise ServiceError(
                f"it is kept, but Prefect does not know yet ({error}); 'beholder up' tells it"
            ) from error


def _remove(workspace: Workspace) -> None:
    from flows.calling import ensure_calls
    from flows.retraining import connect_prefect

    workspace.receiver.unlink(missing_ok=True)
    with show_steps():
        connect_prefect(workspace)
        ensure_calls(workspace)
    typer.echo("nobody is told any more")


def _test(workspace: Workspace) -> str:
    """Send a notice the whole way and return what the receiver answered.

    Raises ServiceError if it did not arrive.
    """
    from flows.calling import ensure_calls
    from flows.retraining import connect_prefect

    receiver = find_receiver(workspace)
    if receiver is None:
        raise ParameterError(NOBODY)
    try:
        with show_steps():
            connect_prefect(workspace)
            with step("test") as now:
                ensure_calls(workspace)
                now.note = says = _send_test(workspace, receiver)
    except (ServiceError, httpx.HTTPError) as error:
        raise ServiceError(f"{error}; {_say_what_stays(receiver)}") from error
    return f"arrived: {says}"


def _say_what_stays(receiver: Receiver) -> str:
    return (
        f"the address stays, and {receiver.shown_url} is told of {', '.join(receiver.on)}: "
        "'beholder notify URL' sets another one, 'beholder notify --off' removes it"
    )


def _send_test(workspace: Workspace, receiver: Receiver) -> str:
    from flows.announcing import emit
    from flows.calling import TEST, find_calls

    begun = datetime.now(UTC)
    says = "this is a test of its notifications"
    notice = Notice("test", str(workspace.root), says)
    sent = emit(workspace, TEST, notice.to_payload(), f"test/{begun.isoformat()}")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        calls = find_calls(workspace, receiver, begun)
        made = next((one.delivery for one in calls if one.event_id == sent), None)
        if made is not None and made.arrived:
            return made.says
        if made is not None:
            raise ServiceError(
                f"{receiver.shown_url} did not take it: {made.says}; check the URL and --kind"
            )
        time.sleep(_POLL_SECONDS)  # nothing to await: Prefect writes its events down in batches
    raise ServiceError(
        f"Prefect called nobody in {_PATIENCE_SECONDS:.0f} s; 'beholder status' says whether it "
        "runs"
    )

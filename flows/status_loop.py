"""What `beholder status` shows of the loop: the last runs, who asks, feedback, and alarms."""

from collections.abc import Iterator

from rich.markup import escape

from components.monitoring.snapshot import read_last
from components.notices.deliveries import read_deliveries
from components.notices.receiver import find_receiver
from components.pages.words import describe_moment
from components.paths import Workspace
from components.triggering.book import Round
from flows.asking import open_book
from flows.feedback import count_waiting
from flows.presence import is_present

_SHOWN_ROUNDS = 4
_COLOURS = {"promoted": "green", "failed": "red", "validation failed": "red", "cut off": "red"}


def describe_loop(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Yield a label, empty where the last one goes on, and what there is to say; with markup."""
    yield from _label("runs", _describe_rounds(workspace))
    yield "feedback", _describe_feedback(count_waiting(workspace))
    yield from _label("monitor", _describe_look(workspace))
    yield "notify", _describe_notifications(workspace)


def _label(label: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for place, line in enumerate(lines):
        yield (label if place == 0 else ""), line


def _describe_rounds(workspace: Workspace) -> Iterator[str]:
    if not workspace.triggers.exists():
        yield "none was asked for yet; 'beholder up' listens, 'beholder trigger' asks"
        return
    with open_book(workspace) as book:
        waiting, latest = book.find_open(), book.latest(_SHOWN_ROUNDS)
    if waiting is not None:
        kinds = sorted({one.kind for one in waiting.asked})
        yield f"[yellow]round {waiting.number} is asked for[/] ({', '.join(kinds)})"
    for found in latest:
        yield _describe_round(found, is_alive=is_present(workspace, found.flow_run or ""))
    if waiting is None and not latest:
        yield "none yet"


def _describe_round(found: Round, *, is_alive: bool) -> str:
    kinds = ", ".join(sorted({one.kind for one in found.asked})) or "passed on"
    when = "" if found.begun_at is None else f"{describe_moment(found.begun_at)} "
    if found.outcome is None and not is_alive:
        left = "was at work when its process ended; the worker of 'beholder up' has it heard again"
        return f"[dim]{when}[/]round {found.number} [yellow]{left}[/] ({kinds})"
    if found.outcome is None:
        return f"[dim]{when}[/]round {found.number} [cyan]at work[/] ({kinds})"
    colour = _COLOURS.get(found.outcome, "default")
    version = "" if found.version is None else f", version {found.version}"
    why, _, _ = (found.reason or "").partition("; ")
    said = f"round {found.number} [{colour}]{found.outcome}[/]{version} ({kinds})"
    return f"[dim]{when}[/]{said} [dim]{escape(why.splitlines()[0] if why else '')}[/]"


def _describe_feedback(waiting: int) -> str:
    if not waiting:
        return "no rating waits"
    return f"{waiting:,} ratings since the last training; 'beholder feedback' shows them"


def _describe_look(workspace: Workspace) -> Iterator[str]:
    look = read_last(workspace)
    if look is None:
        yield "nothing was looked at yet; run 'beholder monitor'"
        return
    for alarm in look.alarms:
        yield f"[red]{escape(alarm.says)}[/]; {escape(alarm.next)}"
    if not look.alarms:
        yield f"no alarm, as of {describe_moment(look.at)}"


def _describe_notifications(workspace: Workspace) -> str:
    receiver, calls = find_receiver(workspace), read_deliveries(workspace)
    if receiver is None:
        return "nobody is told; 'beholder notify URL' sets who is"
    says = f"{escape(receiver.shown_url)} is told of {', '.join(receiver.on)}"
    if calls.failed is None:
        return says
    colour, since = ("red", "") if calls.failed == calls.last else ("dim", ", but later ones were")
    return f"{says}; [{colour}]{calls.failed.at} not delivered: {calls.failed.says}{since}[/]"

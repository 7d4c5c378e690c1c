"""The flow `monitor`: one look at the service, kept, drawn, and told where something is wrong."""

import logging
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from components.errors import BeholderError, ServiceError
from components.locking import hold_lock
from components.notices.notice import Notice
from components.paths import Workspace
from flows.announcing import announce
from flows.deployments import EVENTS, name_resource
from flows.notices import find_page
from flows.presence import mark_presence
from flows.tasks import call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from components.monitoring.snapshot import Alarm, Snapshot
    from flows.monitoring import Asked, Heard
    from flows.monitoring_images import NewItems

RMSE_RISEN, DRIFT_FOUND = EVENTS["online-rmse"], EVENTS["drift"]

_WAIT_SECONDS = 300
_SEND_SECONDS = 20.0

log = logging.getLogger(__name__)


@flow(
    name="monitor",
    flow_run_name="monitor, {reason}",
    on_completion=[announce],
    on_failure=[announce],
)
def monitor(workspace: str, reason: str = "by hand") -> State[Any]:
    """Look at the service: how far off its answers are, whether the world has drifted, how it runs.

    Ends as Quiet or Alarm, with the snapshot; as Skipped, with the reason, where there is nothing
    to look at. Each alarm is told once, as an event with its evidence. One look at a time in a
    workspace.
    """
    place = Workspace(Path(workspace))
    lock = hold_lock(
        place.run / "monitor.lock", wait_seconds=_WAIT_SECONDS, what="the look at the service"
    )
    try:
        mark_presence(place)
        with lock:
            return _look(place)
    except BeholderError as error:
        return Failed(message=str(error))


def _look(workspace: Workspace) -> State[Any]:
    from components.monitoring.alarms import find_new
    from components.monitoring.snapshot import find_newest, keep
    from components.params import load_params
    from flows.monitor_judging import Seen, judge_all
    from flows.monitoring import NO_CHAMPION, ask_answers, hear_feedback, open_subject
    from flows.monitoring_images import see_new_items
    from flows.monitoring_page import write_page
    from flows.releases import find_champion

    params, now = load_params(workspace.params), time.time()
    champion = find_champion(workspace)
    if champion is None:
        return Completed(name="Skipped", message=NO_CHAMPION)
    subject = call(
        "champion",
        lambda: open_subject(workspace, champion),
        lambda made: f"version {champion.number}, {len(made.promised.rated):,} test ratings",
    )
    asked = call("answers", lambda: ask_answers(workspace, params.monitor, now), _note_asked)
    heard = call("feedback", lambda: hear_feedback(workspace, params.monitor, now), _note_heard)
    items = call("images", lambda: see_new_items(workspace, subject, params), _note_items)
    seen = Seen(subject, asked, heard, items)
    last = find_newest(workspace)
    snapshot = call("judge", lambda: judge_all(workspace, seen, params, now, last), _note_judged)
    # Told before it is kept: who is killed in between tells it again, and nobody is left untold.
    new = find_new(snapshot)
    call("tell", partial(_tell, workspace, snapshot), lambda _: f"{len(new)} new alarms")
    call("keep", lambda: keep(workspace, snapshot, params.monitor.keep), lambda path: path.name)
    page = call("page", lambda: write_page(workspace), str)
    log.info("look taken alarms=%d page=%s", len(snapshot.alarms), page)
    says = "; ".join(alarm.says for alarm in snapshot.alarms) or "nothing is out of order"
    name = "Alarm" if snapshot.alarms else "Quiet"
    return Completed(name=name, message=says, data=snapshot.to_json())


def _tell(workspace: Workspace, snapshot: "Snapshot") -> None:
    """Ask for a retraining by all alarms that this look has raised, and emit an event for each.

    The evidence is the event's payload. Returns when the server has them; raises ServiceError if
    it does not take them.
    """
    from components.monitoring.alarms import find_new

    told = [build_payload(workspace, snapshot, alarm) for alarm in find_new(snapshot)]
    _ask(workspace, told)
    for payload in told:
        emit_event(
            RMSE_RISEN if payload["kind"] == "rmse" else DRIFT_FOUND,
            {"prefect.resource.id": name_resource(workspace)},
            payload=payload,
            id=uuid5(NAMESPACE_URL, f"{workspace.root}/{payload['key']}"),
        )
    # They are sent by a thread, which a kill would take along; its wait has no time-out.
    sent = threading.Thread(target=EventsWorker.instance().wait_until_empty, daemon=True)
    sent.start()
    sent.join(_SEND_SECONDS)
    if sent.is_alive():
        raise ServiceError(
            f"Prefect's server took no event in {_SEND_SECONDS:.0f} s; 'beholder status' says "
            "whether it runs"
        )


def _ask(workspace: Workspace, told: "Sequence[Mapping[str, Any]]") -> None:
    """Write down all alarms of a look before any is told of, so that one round hears them."""
    from components.triggering.policy import Asked
    from flows.asking import open_book

    if not told:
        return
    with open_book(workspace) as book:
        for payload in told:
            kind = "online-rmse" if payload["kind"] == "rmse" else "drift"
            book.ask(Asked(kind, payload["reason"], payload, payload["at"]), payload["key"])


def build_payload(workspace: Workspace, snapshot: "Snapshot", alarm: "Alarm") -> dict[str, Any]:
    """Return the evidence of an alarm: what was measured, beside what may be; `text` for people."""
    check = snapshot.check(alarm.kind)
    run_id = flow_run.get_id()
    link = "" if run_id is None else find_page(run_id)
    notice = Notice("drift", str(workspace.root), alarm.says, next=(alarm.next,), link=link)
    return {
        "workspace": str(workspace.root),
        "key": f"{alarm.kind}/{alarm.version}/{alarm.since}",
        "reason": alarm.says,
        "kind": alarm.kind,
        "version": alarm.version,
        "lineage_id": snapshot.champion.lineage_id,
        "at": snapshot.at,
        "says": alarm.says,
        "text": notice.to_text(),
        "next": [alarm.next],
        "link": link,
        "value": check.value,
        "threshold": check.threshold,
        "p": check.p,
        "lately": check.lately,
        "before": check.before,
    }


def _note_asked(asked: "Asked | None") -> str:
    return "none are kept" if asked is None else f"{len(asked.lately):,} answers lately"


def _note_heard(heard: "Heard | None") -> str:
    if heard is None:
        return "none"
    return f"{heard.named:,} events name an answer, {heard.found:,} of them one that is kept"


def _note_items(items: "NewItems") -> str:
    return items.why or f"{len(items.looks_ME):,} new items looked at"


def _note_judged(snapshot: "Snapshot") -> str:
    judged = sum(check.state != "unknown" for check in snapshot.checks)
    return f"{judged} of {len(snapshot.checks)} checks made, {len(snapshot.alarms)} alarms"

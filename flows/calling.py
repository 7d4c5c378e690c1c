"""How Prefect calls the receiver: a webhook block, and an automation that waits for our events."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from components.locking import hold_lock
from components.notices.deliveries import Delivery
from components.notices.notice import Kind
from components.notices.receiver import Form, Receiver, find_receiver
from components.paths import Workspace
from flows.deployments import EVENTS, name_deployment, name_resource

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import BlockDocument
    from prefect.events.schemas.automations import Automation, AutomationCore

# The events that tell of each kind; those of drift ask for a retraining too.
TOLD_BY: dict[Kind, tuple[str, ...]] = {
    "review": ("beholder.review.needed",),
    "promoted": ("beholder.promoted",),
    "rejected": ("beholder.rejected",),
    "failed": ("beholder.failed",),
    "drift": (EVENTS["drift"], EVENTS["online-rmse"]),
}
TEST = "beholder.notify.test"

_WAIT_SECONDS = 60

_TEXT = "(event.payload.text | default(event.payload.reason, true) | default(event.event, true))"
# Slack's own signs are taken for what they look like: <!channel> would call everybody.
_ESCAPED = f"{_TEXT} | replace('&', '&amp;') | replace('<', '&lt;') | replace('>', '&gt;')"
_BODIES: dict[Form, str] = {
    "json": (
        "{{ dict(event.payload, event=event.event, id=event.id | string, "
        f"text={_TEXT}) | tojson }}}}"
    ),
    "slack": f'{{"text": {{{{ {_ESCAPED} | tojson }}}}}}',
    "discord": f'{{"content": {{{{ {_TEXT} | tojson }}}}, "allowed_mentions": {{"parse": []}}}}',
    "text": f"{{{{ {_TEXT} }}}}",
}
_JSON, _PLAIN = "application/json", "text/plain; charset=utf-8"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """One call that Prefect made: for which event, when, and what became of it."""

    event_id: str
    at: datetime
    delivery: Delivery


def ensure_calls(workspace: Workspace) -> bool:
    """Let Prefect call who is told now, and nobody else; return whether anything was changed.

    Safe to repeat, and by several processes at once.
    """
    from prefect.client.orchestration import get_client

    lock = workspace.run / "notify.lock"
    with (
        hold_lock(lock, wait_seconds=_WAIT_SECONDS, what="the notifications"),
        get_client(sync_client=True) as client,
    ):
        receiver = find_receiver(workspace)
        found = client.read_automations_by_name(name_automation(workspace))
        for spare in found if receiver is None else found[1:]:
            client.delete_automation(spare.id)
        if receiver is None:
            return _forget_block(client, workspace) or bool(found)
        block, is_new = _ensure_block(client, workspace, receiver)
        wanted = _make_automation(workspace, receiver, block)
        if not found:
            client.create_automation(wanted)
        elif not _is_like(found[0], wanted):
            client.update_automation(found[0].id, wanted)
        elif not is_new:
            return False
    log.info("notifications set receiver=%s on=%s", receiver.shown_url, ",".join(receiver.on))
    return True


def find_calls(workspace: Workspace, receiver: Receiver, since: datetime) -> list[Call]:
    """Return the calls since then with what became of them, the oldest first."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(name_automation(workspace))
        if not found:
            return []
        wanted = {
            "event": {"prefix": ["prefect.automation.action."]},
            "resource": {"id": [f"prefect.automation.{one.id}" for one in found]},
            "occurred": {"since": since.isoformat()},
            "order": "ASC",
        }
        answer = client.request("POST", "/events/filter", json={"filter": wanted})
        answer.raise_for_status()
    events = answer.json()["events"]
    return [read_call(event, receiver) for event in events if _is_end(event)]


def name_automation(workspace: Workspace) -> str:
    """Return the name of the automation, in Prefect's UI too."""
    return f"{name_deployment(workspace)}: notifications"


def name_block(workspace: Workspace) -> str:
    """Return the name of the block, which takes letters of one case only."""
    return f"beholder-{name_deployment(workspace)[-8:]}"


def _ensure_block(
    client: "SyncPrefectClient", workspace: Workspace, receiver: Receiver
) -> tuple[UUID, bool]:
    """Return the id of the block that holds the URL, and whether it had to be written."""
    from prefect.blocks.webhook import Webhook

    content = _PLAIN if receiver.form == "text" else _JSON
    headers = {"Content-Type": content, "User-Agent": "Beholder"}
    found = _find_block(client, workspace)
    if found is not None and (found.data["url"], found.data["headers"]) == (receiver.url, headers):
        return found.id, False
    block = Webhook(url=receiver.url, headers=headers)
    made: Any = block.save(name_block(workspace), overwrite=True)
    return UUID(str(made)), True


def _find_block(client: "SyncPrefectClient", workspace: Workspace) -> "BlockDocument | None":
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_block_document_by_name(name_block(workspace), "webhook")
    except ObjectNotFound:
        return None


def _forget_block(client: "SyncPrefectClient", workspace: Workspace) -> bool:
    found = _find_block(client, workspace)
    if found is not None:
        client.delete_block_document(found.id)
    return found is not None


def _make_automation(workspace: Workspace, receiver: Receiver, block: UUID) -> "AutomationCore":
    from datetime import timedelta

    from prefect.events.actions import CallWebhook
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    events = {event for kind in receiver.on for event in TOLD_BY[kind]} | {TEST}
    return AutomationCore(
        name=name_automation(workspace),
        description="Tells people what happened; 'beholder notify' sets it.",
        trigger=EventTrigger(
            expect=events,
            match={"prefect.resource.id": name_resource(workspace)},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[CallWebhook(block_document_id=block, payload=_BODIES[receiver.form])],
    )


def _is_like(found: "Automation", wanted: "AutomationCore") -> bool:
    def shown(one: Any) -> dict[str, Any]:
        kept = one.model_dump(mode="json", include={"trigger", "actions", "enabled"})
        kept["trigger"] = {**kept["trigger"], "expect": sorted(kept["trigger"]["expect"])}
        kept["trigger"].pop("id", None)
        return dict(kept)

    return shown(found) == shown(wanted)


def _is_end(event: dict[str, Any]) -> bool:
    return str(event["event"]).rpartition(".")[2] in ("executed", "failed")


def read_call(event: dict[str, Any], receiver: Receiver) -> Call:
    """Return the call that an event of Prefect's automations tells of."""
    payload = event["payload"]
    cause = next(
        (
            one["prefect.resource.id"].removeprefix("prefect.event.")
            for one in event["related"]
            if one["prefect.resource.role"] == "triggering-event"
        ),
        "",
    )
    code = payload.get("status_code")
    arrived = code is not None and 200 <= code < 300
    # The receiver's own words are left out: they may repeat what is secret.
    says = f"it answered {code}" if code is not None else receiver.hide(str(payload.get("reason")))
    at = datetime.fromisoformat(event["occurred"])
    return Call(cause, at, Delivery(at.isoformat(timespec="seconds"), arrived, says))

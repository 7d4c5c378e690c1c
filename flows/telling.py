"""Telling that something happened that asks for a retraining: the book, and a Prefect event."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from components.paths import Workspace
from components.triggering.policy import Asked, Kind
from flows.asking import open_book
from flows.deployments import EVENTS, name_resource

log = logging.getLogger(__name__)


def tell(
    workspace: Workspace, kind: Kind, reason: str, evidence: Mapping[str, Any], *, key: str
) -> bool:
    """Write down who asks, and emit the event by which Prefect's automation starts the answer.

    Told once by its `key`: returns whether it is new. The book is what counts: where the event is
    lost, the worker starts the run that is owed.
    """
    from prefect.events import emit_event

    with open_book(workspace) as book:
        if not book.ask(Asked(kind, reason, evidence, time.time()), key).is_new:
            return False
    emit_event(
        EVENTS[kind],
        {"prefect.resource.id": name_resource(workspace), "prefect.resource.name": "workspace"},
        payload={"reason": reason, "evidence": dict(evidence), "key": key},
    )
    log.info("told kind=%s reason=%s", kind, reason)
    return True

"""Starts the flow `promote`, once, for each value of the tag `beholder.review` on a version."""

import logging
import uuid
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from components.locking import is_held
from components.paths import Workspace
from components.promotion.registry import Registry, Version
from flows.releases import open_registry
from flows.review_tags import (
    RESULT_TAG,
    REVIEW_TAG,
    read_progress,
    read_wish,
    write_result,
    write_running,
    write_starting,
)

WAY = "tag in MLflow"
SOMEBODY = "somebody in MLflow"

_AGAIN = f"delete the tag {RESULT_TAG} to try again"

log = logging.getLogger(__name__)


class TagWatch:
    """Looks at the tags of one workspace's versions; every look is safe to repeat after a kill.

    What has become of a value stands in the tag beside it: first the name of the attempt, which
    Prefect takes as the run's idempotency key, so that a value is never started twice.
    """

    def __init__(self, workspace: Workspace, deployment: UUID) -> None:
        self._workspace = workspace
        self._deployment = deployment

    def look_once(self) -> None:
        """Take every tagged version a step further."""
        registry = open_registry(self._workspace)
        for version in registry.tagged(REVIEW_TAG):
            self._advance(registry, version)

    def _advance(self, registry: Registry, version: Version) -> None:
        value, result = version.tags[REVIEW_TAG], version.tags.get(RESULT_TAG, "")
        progress = read_progress(value, result)
        text: str | None
        if progress.phase == "new":
            text = self._announce(value)
        elif progress.phase == "starting":
            text = self._start(version, value, progress.id)
        elif progress.phase == "running":
            text = _conclude(value, progress.id)
        else:
            return
        if text is not None:
            registry.annotate(version, RESULT_TAG, text)
            log.info("review tag number=%d result=%s", version.number, text)

    def _announce(self, value: str) -> str:
        if read_wish(value) is None:
            says = "not understood; write 'approve: why' or 'reject: why' ('approve by Anna: why')"
            return write_result(value, says)
        return write_starting(value, uuid.uuid4().hex)

    def _start(self, version: Version, value: str, attempt: str) -> str | None:
        wish = read_wish(value)
        if wish is None or is_held(
            self._workspace.run / "promote.lock"
        ):  # a person decides just now: wait for them to end
            return None
        wanted = {
            "version": version.number,
            "decision": wish.decision,
            "reason": wish.reason,
            "reviewer": wish.reviewer or SOMEBODY,
            "seen": wish.seen,
            "way": WAY,
        }
        with get_client(sync_client=True) as client:
            run = client.create_flow_run_from_deployment(
                self._deployment, parameters=wanted, idempotency_key=attempt
            )
        return write_running(value, str(run.id))


def _conclude(value: str, run_id: str) -> str | None:
    """Return what became of a flow run; None while it is at work."""
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(run_id)).state
    except ObjectNotFound:
        return write_result(value, f"failed: its flow run {run_id} was deleted; {_AGAIN}")
    if state is None or not state.is_final():
        return None
    name = (state.name or state.type.value).lower()
    if state.is_completed():
        return write_result(value, f"{name}: {state.message}")
    return write_result(value, f"{name}: {state.message or 'no reason given'}; {_AGAIN}")

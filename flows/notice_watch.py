"""The worker's part in telling people: sets up the calls, sends what waits, says what failed."""

import logging
from datetime import UTC, datetime, timedelta

from components.notices.deliveries import keep_delivery
from components.notices.receiver import find_receiver
from components.paths import Workspace
from flows.announcing import send_waiting
from flows.calling import Call, ensure_calls, find_calls

# Prefect writes its events down in batches, each a little after it happened.
_LATE = timedelta(minutes=2)

log = logging.getLogger(__name__)


class NoticeWatch:
    """What the worker looks at again and again; it remembers which calls it has spoken of."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._since = datetime.now(UTC)
        self._seen: set[Call] = set()

    def look_once(self) -> None:
        """Set the calls up as they are wanted now, send what waits, log the calls that failed."""
        ensure_calls(self._workspace)
        send_waiting(self._workspace)
        receiver = find_receiver(self._workspace)
        if receiver is None:
            return
        # Some are written down late: it looks back a little, and speaks of none twice.
        horizon = self._since - _LATE
        for one in find_calls(self._workspace, receiver, horizon):
            if one in self._seen:
                continue
            self._seen.add(one)
            keep_delivery(self._workspace, one.delivery)
            if not one.delivery.arrived:
                why, name = one.delivery.says, receiver.shown_url
                log.warning("notification not delivered receiver=%s why=%s", name, why)
        self._since = max([self._since, *(one.at for one in self._seen)])
        self._seen = {one for one in self._seen if one.at >= horizon}

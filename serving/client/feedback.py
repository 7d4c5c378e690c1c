"""How the client tells what users did, so that each event is stored exactly once."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from serving.client.answers import Acknowledged, Named, read_answer
from serving.client.transport import Transport
from serving.schemas.requests import FeedbackEvent


class Feedback:
    """Ratings, views and clicks.

    Each call returns when its events are on the endpoint's disk. Where no answer comes it sends
    the same ids again; where it raises EndpointError all the same, a call with an `event_id` of
    your own, or `send` with the same events, can be repeated later and stores nothing twice.

    `about` is the answer by which the user came to the item; the log keeps its request id, version
    and lineage. `timestamp` is in seconds since 1970, default: when it is stored.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def rate(
        self,
        user_id: str,
        item_id: str,
        rating: float,
        *,
        about: Named | None = None,
        timestamp: int | None = None,
        event_id: str | None = None,
    ) -> Acknowledged:
        """Tell that a user rated an item, on the model's scale; it counts in the next list."""
        value = {"value": float(rating)}
        return self._tell("rating", user_id, item_id, about, timestamp, event_id, value)

    def view(
        self,
        user_id: str,
        item_id: str,
        *,
        about: Named | None = None,
        timestamp: int | None = None,
        event_id: str | None = None,
    ) -> Acknowledged:
        """Tell that a user was shown an item."""
        return self._tell("view", user_id, item_id, about, timestamp, event_id)

    def click(
        self,
        user_id: str,
        item_id: str,
        *,
        about: Named | None = None,
        timestamp: int | None = None,
        event_id: str | None = None,
    ) -> Acknowledged:
        """Tell that a user chose an item."""
        return self._tell("click", user_id, item_id, about, timestamp, event_id)

    def send(self, events: Iterable[FeedbackEvent]) -> Acknowledged:
        """Tell several events, 1,000 at most: all are stored, or none."""
        return self._send([event.model_dump(exclude_none=True) for event in events])

    def _tell(
        self,
        kind: str,
        user_id: str,
        item_id: str,
        about: Named | None,
        timestamp: int | None,
        event_id: str | None,
        value: Mapping[str, float] | None = None,
    ) -> Acknowledged:
        event: dict[str, Any] = {
            "event_id": event_id or str(uuid.uuid4()),
            "user_id": user_id,
            "item_id": item_id,
            "kind": kind,
            **(value or {}),
        }
        if timestamp is not None:
            event["timestamp"] = timestamp
        if about is not None:
            origin = {"version": about.model.version, "lineage_id": about.model.lineage_id}
            event |= {"request_id": about.request_id, **origin}
        return self._send([event])

    def _send(self, events: list[dict[str, Any]]) -> Acknowledged:
        answer = self._transport.ask("POST", "/feedback", body={"events": events}, is_urgent=False)
        return read_answer(Acknowledged, answer)

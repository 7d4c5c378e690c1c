"""What a request names, found in a release, or refused in one sentence."""

from http import HTTPStatus

from components.models.catalogue import UNKNOWN
from serving.refusal import Refusal
from serving.release import Release


def require_item(release: Release, item_id: str) -> int:
    """Return the dense index of an item; refuse an id that no item has."""
    index = release.predictor.bundle.catalogue.place(item_id)
    if index == UNKNOWN:
        raise Refusal(HTTPStatus.NOT_FOUND, f"item_id: no item is called {item_id!r}")
    return index

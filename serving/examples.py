"""What to try on the API page: requests that the model in service answers, in its document."""

import copy
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.release import Release

# What the schemas show, where whoever reads may not be told of an item.
_ANY = ("50", "1")
_SOMEBODY = "somebody"
_FEW = 5


def illustrate(document: dict[str, Any], release: Release, *, is_open: bool) -> dict[str, Any]:
    """Return the document with the model's version, and with examples that are answered by it.

    An item of the catalogue is named where `is_open` only: the document is read without a key.
    """
    filled = copy.deepcopy(document)
    filled["info"]["version"] = f"model {release.manifest.version}"
    items = find_items(release) if is_open else _ANY
    bodies = write_bodies(items, release.predictor.bundle.scale[1])
    for path, operations in filled["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["example"] = items[0]
            if "requestBody" in operation:
                (content,) = operation["requestBody"]["content"].values()
                content["example"] = bodies[path]
    return filled


def find_items(release: Release) -> Sequence[str]:
    """Return two items of the catalogue, available and with an image where there are such."""
    catalogue = release.predictor.bundle.catalogue
    shown_I = np.ones(len(catalogue), dtype=np.bool_)
    shown_I[release.predictor.withdrawn] = False
    # Best first; sorting is stable, so equals stay in the catalogue's order.
    order = np.argsort(~(shown_I & catalogue.has_image_I), kind="stable")
    ids = catalogue.ids(order[:2])
    return ids if len(ids) == 2 else ids * 2


def write_bodies(items: Sequence[str], highest: float) -> dict[str, dict[str, Any]]:
    """Return the example of each body by its address; forms lack the picture.

    The feedback is a view, from which no model learns, and the same one however often it is sent.
    """
    item, other = items
    event = {
        "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, item)),
        "user_id": _SOMEBODY,
        "item_id": item,
        "kind": "view",
    }
    return {
        "/recommend": {"history": [{"item_id": item, "rating": highest}], "k": _FEW},
        "/recommend_by_image": {"k": _FEW},
        "/similar": {"item_id": item, "k": _FEW},
        "/predict_rating": {"pairs": [{"user_id": _SOMEBODY, "item_id": item}]},
        "/predict_rating_by_image": {"user_ids": [_SOMEBODY]},
        "/feedback": {"events": [event]},
        "/explain": {"item_ids": [item], "liked": [other]},
    }

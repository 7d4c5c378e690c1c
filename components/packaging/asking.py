"""What the trial asks a booted endpoint over HTTP: golden questions, manners, how long it takes."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx

from components.models.golden import Golden, read_golden_image
from components.packaging.release import ReleaseManifest

_BATCH = 500
_K = 10

Answered = Iterator[tuple[float, float]]


@dataclass(frozen=True)
class Subject:
    """The endpoint under trial and what it should know."""

    client: httpx.Client
    manifest: ReleaseManifest
    golden: Golden
    folder: Path

    def post(self, path: str, **request: Any) -> dict[str, Any]:
        """Return an answer's body; raise httpx.HTTPError if it is none."""
        answer = self.client.post(path, **request).raise_for_status()
        return dict(answer.json())

    def picture(self, row: int) -> bytes:
        """Return the bytes of a golden image."""
        return read_golden_image(self.folder, self.golden.images[row])


def ask_pairs(subject: Subject) -> Answered:
    """Yield (answered, expected) of each golden pair."""
    pairs = subject.golden.pairs
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        body = {"pairs": [{"user_id": p.user_id, "item_id": p.item_id} for p in batch]}
        answers = subject.post("/predict_rating", json=body)["ratings"]
        yield from zip(_numbers(answers), (pair.rating for pair in batch), strict=True)


def ask_images(subject: Subject) -> Answered:
    """Yield (answered, expected) of each golden image and user."""
    for row, image in enumerate(subject.golden.images):
        answers = subject.post(
            "/predict_rating_by_image",
            files={"image": subject.picture(row)},
            data={"user_ids": [user for user, _ in image.ratings]},
        )["ratings"]
        yield from zip(_numbers(answers), (rating for _, rating in image.ratings), strict=True)


def check_manners(subject: Subject) -> list[str]:
    """Return what the endpoint does wrong with people, items and bytes that nobody knows."""
    return [
        f"{name}: {problem}"
        for name, check in _MANNERS.items()
        if (problem := _try(check, subject))
    ]


def time_lists(subject: Subject, requests: int) -> list[float]:
    """Return how many milliseconds each of some /recommend took, one after the other."""
    users = [pair.user_id for pair in subject.golden.pairs]
    return [
        _time(partial(subject.post, "/recommend", json={"user_id": user, "k": _K}))
        for user in islice(cycle(users), requests)
    ]


def time_pictures(subject: Subject, requests: int) -> list[float]:
    """Return how many milliseconds each of some /recommend_by_image took."""
    pictures = [subject.picture(row) for row in range(len(subject.golden.images))]
    return [
        _time(partial(subject.post, "/recommend_by_image", files={"image": content}))
        for content in islice(cycle(pictures), requests)
    ]


def _check_origin(subject: Subject) -> str | None:
    model = subject.client.get("/model").raise_for_status().json()
    manifest = subject.manifest
    told = (model["digest"], model["model"]["version"], model["model"]["lineage_id"])
    if told != (manifest.digest, manifest.version, manifest.lineage_id):
        return f"it says {told}, the release {manifest.version} of {manifest.lineage_id}"
    return None


def _check_unknown_user(subject: Subject) -> str | None:
    user = f"nobody-{subject.manifest.digest[:16]}"
    answer = subject.post("/recommend", json={"user_id": user, "k": _K})
    if answer["path"] not in ("rules", "prior") or not answer["items"]:
        return f"path {answer['path']!r} and {len(answer['items'])} items, not a newcomer's list"
    if not all(math.isfinite(rating) for rating in _numbers(answer["items"])):
        return "ratings that are not finite"
    return None


def _check_unknown_item(subject: Subject) -> str | None:
    item = _unknown_item(subject)
    body = {"pairs": [{"user_id": subject.golden.pairs[0].user_id, "item_id": item}]}
    answer = subject.post("/predict_rating", json=body)
    if answer["unknown_items"] != [item] or answer["ratings"][0]["item_path"] != "prior":
        return f"answered as if it were known: {answer['ratings'][0]}"
    if not math.isfinite(answer["ratings"][0]["rating"]):
        return "a rating that is not finite"
    return None


def _check_unknown_look(subject: Subject) -> str | None:
    return _expect(404, "/similar", json={"item_id": _unknown_item(subject)})(subject)


def _unknown_item(subject: Subject) -> str:
    return f"nothing-{subject.manifest.digest[:16]}"


def _expect(status: int, path: str, **request: Any) -> Callable[[Subject], str | None]:
    def check(subject: Subject) -> str | None:
        answer = subject.client.post(path, **request)
        if answer.status_code != status:
            return f"status {answer.status_code}, not {status}"
        if not isinstance(answer.json().get("error"), str):
            return "no sentence that says why"
        return None

    return check


_JSON = {"content-type": "application/json"}
_MANNERS: dict[str, Callable[[Subject], str | None]] = {
    "model": _check_origin,
    "unknown user": _check_unknown_user,
    "unknown item": _check_unknown_item,
    "look-alikes of an unknown item": _check_unknown_look,
    "k out of bounds": _expect(422, "/recommend", json={"k": 0}),
    "unknown field": _expect(422, "/recommend", json={"nonsense": 1}),
    "broken JSON": _expect(400, "/recommend", content=b'{"k":', headers=_JSON),
    "cut picture": _expect(422, "/recommend_by_image", files={"image": b"\x89PNG\r\n\x1a\n\0\0"}),
    "no picture": _expect(422, "/recommend_by_image", files={"other": b"?"}),
}


def _try(check: Callable[[Subject], str | None], subject: Subject) -> str | None:
    try:
        return check(subject)
    except httpx.HTTPError as error:
        return str(error).splitlines()[0]
    except (ValueError, KeyError, TypeError) as error:
        return f"an answer of another form ({type(error).__name__}: {error})"


def _numbers(answers: Iterable[dict[str, Any]]) -> list[float]:
    return [
        float(answer["rating"]) if isinstance(answer["rating"], (int, float)) else math.nan
        for answer in answers
    ]


def _time(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000

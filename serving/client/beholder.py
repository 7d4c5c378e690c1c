"""The client's calls, one for each address of the endpoint."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

from serving.client.answers import (
    Explained,
    Item,
    Items,
    Model,
    Predicted,
    PredictedByImage,
    Recommended,
    RecommendedByImage,
    Similar,
    Whole,
    read_answer,
)
from serving.client.feedback import Feedback
from serving.client.transport import EndpointError, Patience, Transport
from serving.schemas.requests import RatedItem

# A path, an image's bytes, or an open file.
Picture = str | os.PathLike[str] | bytes | BinaryIO
# What somebody rated: {item_id: rating}, or RatedItem where you know when.
History = Mapping[str, float] | Sequence[RatedItem]


class Beholder:
    """A Beholder endpoint; one object serves all threads of an application.

    Every call returns the answer as a typed object that also has its `request_id`, or raises
    EndpointError. An endpoint that is busy is asked again when it says, `retries` times at most and
    only if that is within `longest_wait` seconds; `timeout` holds for each try.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:3000",
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        retries: int = 2,
        longest_wait: float = 10.0,
    ) -> None:
        self._transport = Transport(url, api_key, Patience(timeout, retries, longest_wait))
        self.feedback = Feedback(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def recommend(
        self,
        user_id: str | None = None,
        *,
        history: History = (),
        k: int = 10,
        exclude: Iterable[str] = (),
        category: str | None = None,
        diversity: float = 0.0,
    ) -> Recommended:
        """Return the best items for a user, somebody who rated these, both, or anybody."""
        body = {
            **_user(user_id),
            "history": _read_history(history),
            "k": k,
            "exclude": list(exclude),
            "diversity": diversity,
        }
        if category is not None:
            body["category"] = category
        return self._post(Recommended, "/recommend", body)

    def recommend_by_image(
        self,
        picture: Picture,
        *more: Picture,
        user_id: str | None = None,
        k: int = 10,
        exclude: Iterable[str] = (),
    ) -> RecommendedByImage:
        """Return items that look like pictures, and those that a user would like best of them."""
        data = {**_user(user_id), "k": k, "exclude": list(exclude)}
        return self._upload(RecommendedByImage, "/recommend_by_image", [picture, *more], data)

    def similar(self, item_id: str, *, k: int = 10, exclude: Iterable[str] = ()) -> Similar:
        """Return the items that look most like an item."""
        body = {"item_id": item_id, "k": k, "exclude": list(exclude)}
        return self._post(Similar, "/similar", body)

    def predict_rating(self, pairs: Iterable[tuple[str, str]]) -> Predicted:
        """Return how users would rate items, in the order of the pairs (user_id, item_id)."""
        told = [{"user_id": user_id, "item_id": item_id} for user_id, item_id in pairs]
        return self._post(Predicted, "/predict_rating", {"pairs": told})

    def predict_rating_by_image(
        self, picture: Picture, user_ids: Iterable[str]
    ) -> PredictedByImage:
        """Return how users would rate a picture that the model has never seen."""
        data = {"user_ids": list(user_ids)}
        return self._upload(PredictedByImage, "/predict_rating_by_image", [picture], data)

    def item(self, item_id: str) -> Item:
        """Return an item; EndpointError with status 404 if there is none such."""
        return self._get(Item, _item_path(item_id))

    def items(
        self,
        *,
        offset: int = 0,
        limit: int = 24,
        category: str | None = None,
        with_picture: bool = False,
        shuffle: int | None = None,
    ) -> Items:
        """Return a page of the catalogue; `shuffle` is a number that mixes it always alike."""
        asked = {
            "offset": offset,
            "limit": limit,
            "category": category,
            "with_picture": "true" if with_picture else None,
            "shuffle": shuffle,
        }
        params = {name: value for name, value in asked.items() if value is not None}
        return self._get(Items, "/items", params=params)

    def picture(self, item_id: str, *, width: int = 320) -> bytes | None:
        """Return an item's picture as a JPEG, 160 or 320 pixels wide; None if there is none."""
        path = f"{_item_path(item_id)}/picture"
        answer = self._transport.ask("GET", path, params={"width": width})
        return None if answer.headers.get("x-beholder-picture") == "none" else answer.content

    def explain(self, item_ids: Iterable[str], liked: Iterable[str]) -> Explained:
        """Return which liked item each item looks most like."""
        body = {"item_ids": list(item_ids), "liked": list(liked)}
        return self._post(Explained, "/explain", body)

    def model(self) -> Model:
        """Return which model answers, and where it comes from."""
        return self._get(Model, "/model")

    def is_ready(self) -> bool:
        """Whether the endpoint answers; it is asked once."""
        try:
            self._transport.ask_once("GET", "/readyz")
        except EndpointError:
            return False
        return True

    def _get(self, kind: type[Whole], path: str, **parts: Any) -> Whole:
        return read_answer(kind, self._transport.ask("GET", path, **parts))

    def _post(self, kind: type[Whole], path: str, body: Mapping[str, Any]) -> Whole:
        return read_answer(kind, self._transport.ask("POST", path, body=body))

    def _upload(
        self,
        kind: type[Whole],
        path: str,
        pictures: Iterable[Picture],
        data: Mapping[str, Any],
    ) -> Whole:
        files = [("image", ("picture", _read_picture(picture))) for picture in pictures]
        return read_answer(kind, self._transport.ask("POST", path, files=files, data=data))


def _user(user_id: str | None) -> dict[str, Any]:
    return {} if user_id is None else {"user_id": user_id}


def _item_path(item_id: str) -> str:
    return f"/items/{quote(item_id, safe='')}"


def _read_history(history: History) -> list[dict[str, Any]]:
    if isinstance(history, Mapping):
        return [{"item_id": item, "rating": float(rating)} for item, rating in history.items()]
    return [rated.model_dump(exclude_none=True) for rated in history]


def _read_picture(picture: Picture) -> bytes:
    """Return an image's bytes, read whole so that they can be sent again."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | os.PathLike):
        return Path(picture).read_bytes()
    content = picture.read()
    if not isinstance(content, bytes):
        raise TypeError("a picture's file must be open in binary mode: open(path, 'rb')")
    return content

"""What the catalogue's items are and look like: plain functions over one release, no HTTP."""

import numpy as np

from components.models.catalogue import Bools, Ints
from components.pictures import first_images
from serving.answers import facts, origin
from serving.named import belong, find, require_item, unique
from serving.release import Release
from serving.schemas.answers import ExplainAnswer, ItemAnswer, ItemsAnswer, ItemSummary, Reason
from serving.schemas.requests import ExplainRequest, ItemsRequest


def list_items(release: Release, request: ItemsRequest) -> ItemsAnswer:
    """Answer GET /items: a page of the catalogue, in its order or shuffled the same way always."""
    catalogue = release.predictor.bundle.catalogue
    shown_I = _shown(release, request)
    order = np.arange(len(catalogue))
    if request.shuffle is not None:
        order = np.random.default_rng(request.shuffle).permutation(len(catalogue))
    indices = order[shown_I[order]]
    page = indices[request.offset : request.offset + request.limit]
    return ItemsAnswer(
        items=[
            ItemSummary(**facts(release, item_id), has_picture=bool(catalogue.has_image_I[index]))
            for item_id, index in zip(catalogue.ids(page), page, strict=True)
        ],
        total=len(indices),
        categories=list(release.predictor.categories.names),
        model=origin(release),
    )


def describe_item(release: Release, item_id: str) -> ItemAnswer:
    """Answer GET /items/ID: one item, and how much is known of it."""
    index = require_item(release, item_id)
    bundle = release.predictor.bundle
    rated_N = bundle.users.ratings_N[bundle.users.items_N == index]
    return ItemAnswer(
        **facts(release, item_id),
        has_picture=bool(bundle.catalogue.has_image_I[index]),
        available=index not in release.predictor.withdrawn,
        learnt=not release.predictor.is_appended(index),
        ratings=len(rated_N),
        mean_rating=float(rated_N.mean()) if len(rated_N) else None,
        model=origin(release),
    )


def find_image(release: Release, item_id: str) -> str | None:
    """Return the sha256 of the image that stands for an item; None if it has none."""
    index = require_item(release, item_id)
    images = release.predictor.bundle.catalogue.items["images"].iloc[index]
    return first_images([images])[0]


def is_learnt(release: Release, item_id: str) -> bool:
    """Whether the model learnt from an item, so that it looks the same as long as that answers."""
    return not release.predictor.is_appended(require_item(release, item_id))


def explain(release: Release, request: ExplainRequest) -> ExplainAnswer:
    """Answer POST /explain: which liked item each item looks most like, by cosine.

    It says what is alike, not what the model weighed.
    """
    catalogue = release.predictor.bundle.catalogue
    items, missing = find(release, request.item_ids)
    liked, unknown = find(release, request.liked)
    liked = liked[catalogue.has_image_I[liked]]
    return ExplainAnswer(
        reasons=[_reason(release, int(item), liked) for item in items],
        unknown_items=unique([*missing, *unknown]),
        model=origin(release),
    )


def _reason(release: Release, item: int, liked: Ints) -> Reason:
    catalogue = release.predictor.bundle.catalogue
    item_id = catalogue.ids(np.array([item]))[0]
    others = liked[liked != item]
    if not catalogue.has_image_I[item] or not len(others):
        return Reason(item_id=item_id, nearest=None, similarity=None)
    looks_I = release.predictor.looks(item, others)
    best = int(np.argmax(looks_I))
    nearest = catalogue.ids(others[best : best + 1])[0]
    return Reason(item_id=item_id, nearest=nearest, similarity=float(looks_I[best]))


def _shown(release: Release, request: ItemsRequest) -> Bools:
    catalogue = release.predictor.bundle.catalogue
    shown_I = np.ones(len(catalogue), dtype=np.bool_)
    shown_I[release.predictor.withdrawn] = False
    if request.category is not None:
        shown_I &= belong(release, request.category)
    if request.with_picture:
        shown_I &= catalogue.has_image_I
    return shown_I

"""What a request names, found in a release, or refused in one sentence."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from components.models.catalogue import UNKNOWN, Bools, Ints
from serving.refusal import Refusal
from serving.release import Release

_SHOWN_CATEGORIES = 20


def require_item(release: Release, item_id: str) -> int:
    """Return the dense index of an item; refuse an id that no item has."""
    index = release.predictor.bundle.catalogue.place(item_id)
    if index == UNKNOWN:
        raise Refusal(HTTPStatus.NOT_FOUND, f"item_id: no item is called {item_id!r}")
    return index


def belong(release: Release, category: str) -> Bools:
    """Return which items belong to a category; refuse one that no item has."""
    categories = release.predictor.categories
    if category not in categories.names:
        shown = ", ".join(categories.names[:_SHOWN_CATEGORIES]) or "none"
        more = len(categories.names) - _SHOWN_CATEGORIES
        known = f"{shown} and {more} more" if more > 0 else shown
        raise Refusal(
            HTTPStatus.NOT_FOUND, f"category: no item is of {category!r}; there are: {known}"
        )
    return categories.mask(category)


def find(release: Release, item_ids: Sequence[str]) -> tuple[Ints, list[str]]:
    """Return the dense indices of the known ids, and the unknown ids."""
    indices = release.predictor.bundle.catalogue.find(item_ids)
    return indices[indices != UNKNOWN], _unknown(item_ids, indices)


def unknown_items(release: Release, item_ids: Sequence[str]) -> list[str]:
    """Return the ids that no item has, once each."""
    return unique(find(release, item_ids)[1])


def unknown_users(release: Release, user_ids: Sequence[str]) -> list[str]:
    """Return the ids that no user has, once each."""
    return unique(_unknown(user_ids, release.predictor.bundle.users.find(user_ids)))


def check_rating(scale: tuple[float, float], rating: float, place: str) -> None:
    """Raise Refusal naming the place of a rating that is not on the scale."""
    lowest, highest = scale
    if not lowest <= rating <= highest:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{place}: {rating:g} is not on the scale from {lowest:g} to {highest:g}",
        )


def unique(ids: Iterable[str]) -> list[str]:
    """Return ids once each, in their order."""
    return list(dict.fromkeys(ids))


def _unknown(ids: Sequence[str], indices: Ints) -> list[str]:
    return [one for one, index in zip(ids, indices, strict=True) if index == UNKNOWN]

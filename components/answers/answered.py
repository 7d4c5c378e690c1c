"""One answer of the endpoint, as it is remembered, and as it is counted."""

from typing import NamedTuple


class Answered(NamedTuple):
    """What was answered, to whom, by which model.

    A tuple of plain values, for it is made on the way of every request. `at` is in seconds since
    1970, `caller` the name of the API key ("" without one), `seconds` how long the answer took.
    `items`, `ratings`, `users` and `paths` are as long as each other where they are there:
    `ratings[n]` is None where an item was shown without one. `users` and `paths` are None where
    `user_id` and `path` hold for all; `items` is None where what was rated is no item.
    `catalogue` names a refresh of the catalogue, where one was in service.
    """

    request_id: str
    at: float
    seconds: float
    route: str
    version: str
    lineage_id: str
    caller: str
    user_id: str | None
    path: str | None
    items: tuple[str, ...] | None
    ratings: tuple[float | None, ...]
    users: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    catalogue: str | None = None

    def find(self, user_id: str, item_id: str) -> int | None:
        """Return where an item stands in the answer, None if it was not shown to this user.

        An answer that names no user was for anybody.
        """
        if self.items is None or item_id not in self.items:
            return None
        if self.users is None:
            fits = self.user_id in (None, user_id)
            return self.items.index(item_id) if fits else None
        pairs = zip(self.users, self.items, strict=True)
        return next((row for row, pair in enumerate(pairs) if pair == (user_id, item_id)), None)

    def path_of(self, row: int) -> str | None:
        """Return what the rating at a place rests on."""
        return self.path if self.paths is None else self.paths[row]


class Glance(NamedTuple):
    """What an answer was, without what was in it: a few cells of its row, for counting many.

    As in an `Answered`, `users` and `paths` are None where `user_id` and `path` hold for all.
    """

    at: float
    seconds: float
    route: str
    version: str
    user_id: str | None
    path: str | None
    users: tuple[str, ...] | None
    paths: tuple[str, ...] | None

"""The checks of a look: each one made where there is enough, else why it is not, in plain words."""

from collections.abc import Callable, Sequence

import numpy as np

from components.answers.answered import Glance
from components.models.catalogue import UNKNOWN, Floats, UserBook
from components.monitoring import images, ratings, rmse, users
from components.monitoring.answers import count_by_user
from components.monitoring.checks import Finding, Kind, Unknown
from components.monitoring.reference import Rated, Reference
from components.params import Monitor

Found = Finding | Unknown


def check_rmse(online: Rated | None, promised: Reference, monitor: Monitor) -> Found:
    """Say how far the RMSE in service lies above the promised one."""
    return _check_rated("rmse", rmse.find_rise, online, promised, monitor)


def check_ratings(online: Rated | None, promised: Reference, monitor: Monitor) -> Found:
    """Say how far ratings given in service lie from those of pairs with like predictions."""
    return _check_rated("ratings", ratings.find_shift, online, promised, monitor)


def check_images(new_ME: Floats, learnt_NE: Floats, monitor: Monitor) -> Found:
    """Say how far the looks of new items lie from those of the learnt ones, drawn of either."""
    for what, rows in (("new items", new_ME), ("learnt items", learnt_NE)):
        if len(rows) < monitor.min_items:
            return _too_few("images", what, len(rows), monitor.min_items)
    generator = np.random.default_rng(monitor.seed)
    new_ME, learnt_NE = (
        rows[generator.permutation(len(rows))[: monitor.items]] for rows in (new_ME, learnt_NE)
    )
    return images.find_shift(new_ME, learnt_NE, least=monitor.least.images, **_chance(monitor))


def check_users(
    lately: Sequence[Glance], learnt: UserBook, promised: Reference, monitor: Monitor
) -> Found:
    """Say by how much the share of strangers exceeds that in the test."""
    asked = sorted(count_by_user(lately))
    for what, number in (("users who asked", len(asked)), ("users tested", len(promised.known_U))):
        if number < monitor.min_users:
            return _too_few("users", what, number, monitor.min_users)
    known_U = learnt.find(asked) != UNKNOWN
    least = monitor.least.users
    return users.find_strangers(known_U, promised.known_U, least=least, **_chance(monitor))


def check_activity(lately: Sequence[Glance], before: Sequence[Glance], monitor: Monitor) -> Found:
    """Say how far apart lately and the time before are in how often users ask."""
    now, then = count_by_user(lately), count_by_user(before)
    for what, number in (("users who asked", len(now)), ("users of the time before", len(then))):
        if number < monitor.min_users:
            return _too_few("activity", what, number, monitor.min_users)
    everybody = sorted(now.keys() | then.keys())
    lately_U, before_U = (np.array([count[user] for user in everybody]) for count in (now, then))
    least = monitor.least.activity
    return users.find_activity(lately_U, before_U, least=least, **_chance(monitor))


def _check_rated(
    kind: Kind,
    find: Callable[..., Finding],
    online: Rated | None,
    promised: Reference,
    monitor: Monitor,
) -> Found:
    rated = 0 if online is None else len(online)
    sides = (
        ("ratings given to its answers", rated, monitor.min_ratings),
        ("users who rated them", 0 if online is None else online.users, monitor.min_users),
        ("test ratings", len(promised.rated), monitor.min_ratings),
        ("users tested", len(promised.known_U), monitor.min_users),
    )
    for what, number, wanted in sides:
        if number < wanted or online is None:
            return _too_few(kind, what, number, wanted)
    assert online is not None
    least: float = getattr(monitor.least, kind)
    return find(online, promised.rated, least=least, **_chance(monitor))


def _chance(monitor: Monitor) -> dict[str, int]:
    return {"draws": monitor.draws, "seed": monitor.seed}


def _too_few(kind: Kind, what: str, number: int, wanted: int) -> Unknown:
    return Unknown(kind, f"{number:,} {what}, {wanted:,} are needed")

"""What the answer log says of the service: on what answers rest, how long they took, who asked."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.answers.answered import Glance

# What nothing was known for, and what all that was not learnt for the user rests on.
COLD = ("prior", "rules")
FALLBACK = (*COLD, "history")


@dataclass(frozen=True)
class Speed:
    """How many answers, and within how many milliseconds half, 90 and 99 of 100 of them came."""

    answers: int
    p50_ms: float
    p90_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Answers:
    """The answers of a time: those to several users count once for each in `paths` and shares.

    `paths` counts what rated answers rest on; `cold` is the share of those for which nothing was
    known, `fallback` the share that rests on nothing learnt for the user; None without any.
    `unnamed` is the share of answers for nobody in particular, `users` how many others asked.
    """

    since: float
    until: float
    speed: Speed
    routes: Mapping[str, Speed]
    versions: Mapping[str, int]
    paths: Mapping[str, int]
    cold: float | None
    fallback: float | None
    users: int
    unnamed: float


def summarise(glances: Sequence[Glance]) -> Answers | None:
    """Return what they say together; None of none."""
    if not glances:
        return None
    paths = Counter(path for glance in glances for path in _list_paths(glance))
    rated = sum(paths.values())
    asked = count_by_user(glances)
    by_route: dict[str, list[float]] = {}
    for glance in glances:
        by_route.setdefault(glance.route, []).append(glance.seconds)
    return Answers(
        since=min(glance.at for glance in glances),
        until=max(glance.at for glance in glances),
        speed=measure_speed([glance.seconds for glance in glances]),
        routes={route: measure_speed(seconds) for route, seconds in sorted(by_route.items())},
        versions=dict(Counter(glance.version for glance in glances)),
        paths=dict(paths),
        cold=sum(paths[path] for path in COLD) / rated if rated else None,
        fallback=sum(paths[path] for path in FALLBACK) / rated if rated else None,
        users=len(asked),
        unnamed=sum(not list_users(glance) for glance in glances) / len(glances),
    )


def measure_speed(seconds: Sequence[float]) -> Speed:
    """Return how long they took; there must be some."""
    p50, p90, p99 = np.percentile(seconds, [50, 90, 99]) * 1000
    return Speed(len(seconds), float(p50), float(p90), float(p99))


def count_by_user(glances: Iterable[Glance]) -> Counter[str]:
    """Return how many answers each user was given."""
    return Counter(user for glance in glances for user in list_users(glance))


def list_users(glance: Glance) -> tuple[str, ...]:
    """Return whom an answer was for, each once; nobody where it names none."""
    if glance.users is not None:
        return tuple(dict.fromkeys(glance.users))
    return () if glance.user_id is None else (glance.user_id,)


def _list_paths(glance: Glance) -> tuple[str, ...]:
    """Return what an answer's ratings rest on, once for each user it is for; nothing unrated."""
    if glance.paths is None:
        return () if glance.path is None else (glance.path,) * len(list_users(glance) or (None,))
    if glance.users is None:
        return glance.paths[:1]
    return tuple(dict(zip(glance.users, glance.paths, strict=True)).values())

"""Ratings, answers and looks that tests of monitoring are about."""

from typing import Any

import numpy as np

from components.answers.answered import Glance
from components.monitoring.answers import Answers, Speed
from components.monitoring.checks import Check
from components.monitoring.ratings import Given
from components.monitoring.reference import Rated
from components.monitoring.rmse import Course
from components.monitoring.snapshot import Alarm, Champion, Feedback, Online, Snapshot
from components.statistics import Interval

SPEED = Speed(10, 2.0, 5.0, 9.5)


def rate(
    seed: int,
    *,
    users: int = 100,
    rows: int = 1000,
    shift: float = 0.0,
    noise: float = 0.9,
    liked: float = 0.0,
    tail: float = 3.0,
) -> Rated:
    """Draw ratings from 0.5 to 5 by users who differ in how high, how often, how oddly.

    They are `shift` below what was predicted on average; what is shown is predicted `liked` higher.
    The smaller the `tail`, the more of the ratings a few users give.
    """
    generator = np.random.default_rng(seed)
    activity_U = generator.pareto(tail, users) + 0.3
    level_U = generator.normal(0, 0.4, users)
    noise_U = noise * np.exp(generator.normal(0, 0.3, users))
    user_N = generator.choice(users, rows, p=activity_U / activity_U.sum())
    predicted_N = np.clip(generator.normal(3.2 + liked, 0.5, rows), 0.5, 5)
    told_N = predicted_N - shift + level_U[user_N] + noise_U[user_N] * generator.normal(0, 1, rows)
    return Rated(user_N, np.clip(np.round(2 * told_N) / 2, 0.5, 5), predicted_N)


def glance(user: str | None = "u1", path: str | None = "factors", **changed: Any) -> Glance:
    told = Glance(1000.0, 0.002, "/recommend", "3", user, path, None, None)
    return told._replace(**changed)


def look(at: float = 1000.0, **changed: Any) -> Snapshot:
    """A look that found all in order, but for what is changed."""
    told: dict[str, Any] = {
        "at": at,
        "days": 7.0,
        "false_alarms": 0.01,
        "champion": Champion("3", "814e34d0720b36d1", "hybrid", at - 90_000, at - 200_000),
        "answers": Answers(
            *(at - 500, at, SPEED, {"/recommend": SPEED}, {"3": 10}),
            {"factors": 6, "history": 2, "prior": 1, "rules": 1},
            *(0.2, 0.4, 5, 0.1),
        ),
        "feedback": Feedback(20, 18),
        "given": Given(3.9, 3.4, 0.21),
        "online": (
            Online("3", 300, 40, Interval(0.81, 0.78, 0.84), Interval(0.8, 0.79, 0.81)),
            Online("2", 50, 9, Interval(0.9, 0.8, 1.0), None),
        ),
        "course": (
            Course("2", at - 900, at - 800, 50, 0.9),
            Course("3", at - 700, at - 400, 100, 0.8),
            Course("3", at - 390, at - 10, 100, 0.82),
        ),
        "checks": (
            Check("rmse", "quiet", 0.01, 0.06, 0.3, 300, 5000),
            Check("ratings", "quiet", 0.02, 0.05, 0.2, 300, 5000),
            Check("images", "unknown", why="no item came in since the champion learnt"),
            Check("users", "quiet", -0.1, 0.1, 0.9, 40, 200),
            Check("activity", "quiet", 0.03, 0.12, 0.7, 40, 35),
        ),
        "alarms": (),
        "lost": 4,
    }
    return Snapshot(**{**told, **changed})


def alarmed(at: float = 1000.0, since: float | None = None) -> Snapshot:
    """A look whose RMSE is an alarm."""
    quiet = look(at)
    risen = Check("rmse", "alarm", 0.2, 0.06, 0.0005, 300, 5000)
    alarm = Alarm("rmse", "3", at if since is None else since, "it is off", "beholder retrain")
    return look(at, checks=(risen, *quiet.checks[1:]), alarms=(alarm,))

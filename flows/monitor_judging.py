"""From what a look has read to its snapshot: every check made, every version beside its promise."""

from dataclasses import dataclass

from components.monitoring import panel
from components.monitoring.alarms import raise_alarms
from components.monitoring.answers import summarise
from components.monitoring.checks import Finding, Unknown, judge
from components.monitoring.ratings import describe
from components.monitoring.rmse import Course, measure, trace_course
from components.monitoring.snapshot import Champion, Feedback, Online, Snapshot
from components.params import Monitor, Params
from components.paths import Workspace
from components.promotion.version import LINEAGE_ID_TAG
from flows.monitoring import Asked, Heard, Subject, find_promised_rmse
from flows.monitoring_images import NewItems

_LEVEL = 0.95
_DRAWS = 1_000


@dataclass(frozen=True)
class Seen:
    """All that a look has read; None where there is no such log."""

    subject: Subject
    asked: Asked | None
    heard: Heard | None
    items: NewItems


def judge_all(
    workspace: Workspace, seen: Seen, params: Params, now: float, last: Snapshot | None
) -> Snapshot:
    """Return the snapshot of a look; `last` is the one before it."""
    subject, asked, heard = seen.subject, seen.asked, seen.heard
    version = str(subject.version.number)
    times = subject.served.users.times_N
    checks = judge(_check(seen, params.monitor), params.monitor.false_alarms)
    rated = None if heard is None else heard.rated.get(version)
    online, course = _measure(workspace, heard, params.monitor)
    return Snapshot(
        at=now,
        days=params.monitor.days,
        false_alarms=params.monitor.false_alarms,
        champion=Champion(
            version,
            subject.version.tags.get(LINEAGE_ID_TAG, ""),
            subject.served.family,
            subject.since,
            float(times.max()) if len(times) else None,
        ),
        answers=None if asked is None else summarise(asked.lately),
        feedback=None if heard is None else Feedback(heard.named, heard.found),
        given=None if rated is None else describe(rated, subject.promised.rated),
        online=online,
        course=course,
        checks=checks,
        alarms=raise_alarms(checks, version, now, last),
        lost=0 if asked is None else asked.lost,
    )


def _check(seen: Seen, monitor: Monitor) -> list[Finding | Unknown]:
    subject, promised = seen.subject, seen.subject.promised
    catalogue = subject.served.catalogue
    found: list[Finding | Unknown] = []
    if seen.heard is None:
        why = "no feedback was given, or no answers are kept"
        found += [Unknown("rmse", why), Unknown("ratings", why)]
    else:
        rated = seen.heard.rated.get(str(subject.version.number))
        found.append(panel.check_rmse(rated, promised, monitor))
        found.append(panel.check_ratings(rated, promised, monitor))
    learnt_NE = catalogue.embeddings_IE[catalogue.has_image_I]
    if seen.items.why:
        found.append(Unknown("images", seen.items.why))
    else:
        found.append(panel.check_images(seen.items.looks_ME, learnt_NE, monitor))
    if seen.asked is None:
        why = "no answers are kept"
        return [*found, Unknown("users", why), Unknown("activity", why)]
    lately, before = seen.asked.lately, seen.asked.before
    found.append(panel.check_users(lately, subject.served.users, promised, monitor))
    if before is None:
        found.append(Unknown("activity", seen.asked.why_not))
    else:
        found.append(panel.check_activity(lately, before, monitor))
    return found


def _measure(
    workspace: Workspace, heard: Heard | None, monitor: Monitor
) -> tuple[tuple[Online, ...], tuple[Course, ...]]:
    """Return each version's RMSE beside its promise, and its course."""

    online, course = [], []
    for version, rated in {} if heard is None else heard.rated.items():
        rmse = measure(rated, draws=_DRAWS, level=_LEVEL, seed=monitor.seed)
        promised = find_promised_rmse(workspace, version)
        online.append(Online(version, len(rated), rated.users, rmse, promised))
        times = heard.times[version] if heard else ()
        course += trace_course(version, times, rated.squared_errors, monitor.stretch)
    return tuple(sorted(online, key=lambda one: -one.ratings)), tuple(course)

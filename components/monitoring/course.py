"""The course of the online RMSE: stretches of all looks as one curve a version, drawn as SVG."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from components.monitoring.rmse import Course
from components.monitoring.snapshot import Snapshot
from components.pages.figures import Line, draw_lines

# The champion's colour, then those of the versions before it.
_OURS = "ours"
_OTHERS = ("other solid", "third", "fourth")
_REST = "muted"
# In seconds, and as exactly as the moment is told from which one counts back in that unit.
_UNITS = (
    (86_400.0, "days", "%H:%M"),
    (3_600.0, "hours", "%H:%M"),
    (60.0, "minutes", "%H:%M:%S"),
    (1.0, "seconds", "%H:%M:%S"),
)
# What the axes hold at least: a few seconds, and a difference in RMSE that means something.
_LEAST_SECONDS, _LEAST_RMSE = 4.0, 0.02


def join_courses(looks: Sequence[Snapshot]) -> list[Course]:
    """Return the stretches of all looks, oldest first, each time by the newest look that has it.

    Stretches are counted back from a look's newest rating, so those of two looks overlap: what
    begins before a newer look's first stretch of that version is taken from the older look.
    """
    found: list[Course] = []
    first: dict[str, float] = {}
    for look in reversed(looks):
        fresh = [one for one in look.course if one.until < first.get(one.version, float("inf"))]
        found += fresh
        for one in fresh:
            first[one.version] = min(one.since, first.get(one.version, float("inf")))
    return sorted(found, key=lambda one: (one.until, one.version))


def style_versions(course: Sequence[Course], champion: str) -> dict[str, str]:
    """Return the CSS class of each version's curve: the champion first, then the newest."""
    last = {one.version: one.until for one in course}
    others = sorted(last.keys() - {champion}, key=lambda version: -last[version])
    classes = [*_OTHERS, *[_REST] * len(others)]
    styles = {champion: _OURS} if champion in last else {}
    return styles | dict(zip(others, classes, strict=False))


def draw_course(
    looks: Sequence[Snapshot], course: Sequence[Course], styles: Mapping[str, str], width: int
) -> str:
    """Return an SVG of every version's RMSE by time up to the newest rating, and of its promise.

    Time is counted back from there in the unit that fits what is drawn, however long ago it was.
    """
    if not course:
        return ""
    newest = max(one.until for one in course)
    span = max(newest - min(one.since for one in course), _LEAST_SECONDS)
    size, unit, clock = next((one for one in _UNITS if span >= 2 * one[0]), _UNITS[-1])
    promised = {one.version: one.promised for look in looks for one in look.online}
    lines = []
    for version, css in styles.items():
        own = [one for one in course if one.version == version]
        xs = [(one.until - newest) / size for one in own]
        lines.append(Line(version, css, xs, [one.rmse for one in own], dots=True))
        promise = promised.get(version)
        if promise is not None:
            ends = [(own[0].since - newest) / size, xs[-1]]
            lines.append(Line(version, f"promise {css}", ends, [promise.value] * 2))
    moment = f"{datetime.fromtimestamp(newest, UTC):%d %b %Y, {clock}} UTC".lstrip("0")
    middle = (max(one.rmse for one in course) + min(one.rmse for one in course)) / 2
    reach = [(-span / size, middle - _LEAST_RMSE / 2), (0.0, middle + _LEAST_RMSE / 2)]
    return draw_lines(
        lines,
        x_label=f"{unit} up to {moment}",
        y_label="online RMSE",
        width=width,
        reach=reach,
    )

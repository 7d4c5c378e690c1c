"""The page of a look: self-contained, alarms first, then how far off, what changed, how quick."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.monitoring.alarms import NAMES, UNITS
from components.monitoring.answers import Answers
from components.monitoring.checks import Check
from components.monitoring.course import draw_course, join_courses, style_versions
from components.monitoring.snapshot import Snapshot
from components.pages.rendering import render
from components.pages.words import counted, name_family

_TEMPLATE = "monitor.html.j2"
_DAY = 86_400.0
# One chart for a phone and one for a desk, so that its letters are as large on both.
_WIDTHS = {"narrow": 360, "desk": 860}
_PATHS = {
    "factors": "learnt for the user",
    "history": "the user's ratings alone",
    "rules": "what is liked of late",
    "prior": "an average user",
}


@dataclass(frozen=True)
class Row:
    """A check, in words, and where value and threshold stand on its own scale, in percent."""

    check: Check
    name: str
    means: str
    at: float
    limit: float


@dataclass(frozen=True)
class Ground:
    """What some answers rest on, and which share of all it is."""

    css: str
    label: str
    count: int
    share: float


def render_page(looks: Sequence[Snapshot], name: str) -> str:
    """Return the page's HTML; `looks` are all that are kept, oldest first, the last one counts.

    `name` is the workspace's. The same looks give the same bytes.
    """
    look = looks[-1]
    course = join_courses(looks)
    styles = style_versions(course, look.champion.version)
    stretch = max((one.ratings for one in course), default=0)
    return render(
        Path(__file__).parent,
        _TEMPLATE,
        look=look,
        name=name,
        headline=describe_headline(look),
        online=next((o for o in look.online if o.version == look.champion.version), None),
        age=None if look.champion.since is None else tell_age(look.at - look.champion.since),
        charts={css: draw_course(looks, course, styles, width) for css, width in _WIDTHS.items()},
        key=[{"version": version, "css": css} for version, css in styles.items()],
        stretch=stretch,
        checks=[_place(check) for check in look.checks],
        paths=[] if look.answers is None else list_paths(look.answers),
        name_of=name_family,
        when=tell_time,
        counted=counted,
    )


def describe_headline(look: Snapshot) -> str:
    """Return in a sentence how the service does."""
    if look.alarms:
        names = [NAMES[alarm.kind] for alarm in look.alarms]
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        return f"Something has changed: {listed}."
    judged = [check for check in look.checks if check.state != "unknown"]
    if not judged:
        return "There is too little to judge by yet."
    if len(judged) == len(look.checks):
        return "Nothing is out of order, by every check."
    return f"No alarm, by the {len(judged)} of {len(look.checks)} checks that could be made."


def tell_age(seconds: float) -> tuple[str, str]:
    """Return a duration as a number and its unit."""
    for size, unit in ((_DAY, "days"), (3600, "hours")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}", unit
    return f"{seconds / 60:.0f}", "minutes"


def tell_time(seconds: float) -> str:
    """Return a moment as people read it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%d %b %Y, %H:%M} UTC".lstrip("0")


def list_paths(answers: Answers) -> list[Ground]:
    """Return what answers rest on, as people read it, in one order."""
    total = sum(answers.paths.values())
    order = [*_PATHS, *sorted(answers.paths.keys() - _PATHS.keys())]
    return [
        Ground(
            path if path in _PATHS else "elsewhere",
            _PATHS.get(path, path),
            answers.paths[path],
            answers.paths[path] / total,
        )
        for path in order
        if answers.paths.get(path)
    ]


def _place(check: Check) -> Row:
    value, limit = check.value or 0.0, check.threshold or 1.0
    # Two thirds for what may be, unless what was measured needs more.
    end = max(1.5 * limit, 1.08 * value)
    at, mark = (round(100 * max(x, 0.0) / end, 2) if end > 0 else 0.0 for x in (value, limit))
    name, means = NAMES[check.kind], UNITS[check.kind]
    return Row(check, name[0].upper() + name[1:], means, at, mark)

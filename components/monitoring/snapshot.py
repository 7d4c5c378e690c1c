"""One look at the service, as it is kept: a JSON file each, a bounded number of them.

`.beholder/monitor/looks/<seconds since 1970, in ms, 15 digits>.json`; written beside and renamed.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.errors import CorruptFileError
from components.files import read_json, write_json
from components.monitoring.answers import Answers, Speed
from components.monitoring.checks import Check, Kind
from components.monitoring.ratings import Given
from components.monitoring.rmse import Course
from components.paths import Workspace
from components.statistics import Interval

FORMAT = 1
_LOOKS = "looks"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """Who was in service: since when, and until when its newest rating was given (or None)."""

    version: str
    lineage_id: str
    family: str
    since: float | None
    learnt_until: float | None


@dataclass(frozen=True)
class Online:
    """A version in service beside its promise, with intervals by users at `monitor`'s level.

    `promised` is None where nobody knows what the evaluation said of that version.
    """

    version: str
    ratings: int
    users: int
    rmse: Interval
    promised: Interval | None


@dataclass(frozen=True)
class Feedback:
    """Of events that name an answer: how many, and how many of them found it."""

    named: int
    found: int

    @property
    def lost(self) -> float | None:
        """The share that found no answer; None of none."""
        return None if not self.named else 1 - self.found / self.named


@dataclass(frozen=True)
class Alarm:
    """What is wrong, since which look, and what to do; one a kind of check and champion."""

    kind: Kind
    version: str
    since: float
    says: str
    next: str


@dataclass(frozen=True)
class Snapshot:
    """All that one look found. `days` is what was lately; `false_alarms` what `checks` allow.

    `given` is of the ratings given to the champion's answers. It, `answers` and `feedback` are None
    where there is no such log, or nothing in it; `lost` counts answers that could not be kept.
    """

    at: float
    days: float
    false_alarms: float
    champion: Champion
    answers: Answers | None
    feedback: Feedback | None
    given: Given | None
    online: tuple[Online, ...]
    course: tuple[Course, ...]
    checks: tuple[Check, ...]
    alarms: tuple[Alarm, ...]
    lost: int = 0

    def check(self, kind: Kind) -> Check:
        """Return a check of this look."""
        return next(check for check in self.checks if check.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Snapshot":
        """Read it; raise CorruptFileError if it is none."""
        try:
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}, this Beholder knows {FORMAT}")
            answers, feedback, given = (content[name] for name in ("answers", "feedback", "given"))
            return cls(
                **{name: content[name] for name in ("at", "days", "false_alarms", "lost")},
                champion=Champion(**content["champion"]),
                answers=None if answers is None else _read_answers(answers),
                feedback=None if feedback is None else Feedback(**feedback),
                given=None if given is None else Given(**given),
                online=tuple(_read_online(one) for one in content["online"]),
                course=tuple(Course(**one) for one in content["course"]),
                checks=tuple(Check(**one) for one in content["checks"]),
                alarms=tuple(Alarm(**one) for one in content["alarms"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptFileError(f"this is no snapshot of a look ({error})") from error


def keep(workspace: Workspace, snapshot: Snapshot, most: int) -> Path:
    """Write a look down, and remove the oldest beyond so many."""
    path = _folder(workspace) / f"{round(snapshot.at * 1000):015d}.json"
    write_json(path, snapshot.to_json())
    for old in list_looks(workspace)[:-most]:
        old.unlink(missing_ok=True)
    return path


def list_looks(workspace: Workspace) -> list[Path]:
    """Return the files of all looks that are kept, oldest first."""
    return sorted(_folder(workspace).glob("[0-9]*.json"))


def read_last(workspace: Workspace) -> Snapshot | None:
    """Return the last look; None before the first. Raises CorruptFileError if it is broken."""
    looks = list_looks(workspace)
    return _read(looks[-1]) if looks else None


def find_newest(workspace: Workspace) -> Snapshot | None:
    """Return the newest look that can be read; None if there is none. What is broken is said."""
    for path in reversed(list_looks(workspace)):
        found = _read_or_say(path)
        if found is not None:
            return found
    return None


def read_all(workspace: Workspace) -> list[Snapshot]:
    """Return every look that can be read, oldest first; what is broken is said and left out."""
    found = (_read_or_say(path) for path in list_looks(workspace))
    return [look for look in found if look is not None]


def _folder(workspace: Workspace) -> Path:
    return workspace.monitor / _LOOKS


def _read_or_say(path: Path) -> Snapshot | None:
    try:
        return _read(path)
    except (CorruptFileError, FileNotFoundError) as error:
        log.warning("look left out why=%s", error)
        return None


def _read(path: Path) -> Snapshot:
    try:
        return Snapshot.from_json(read_json(path))
    except CorruptFileError as error:
        raise CorruptFileError(
            f"{path}: {error}; delete it, then run 'beholder monitor'"
        ) from error


def _read_answers(content: Mapping[str, Any]) -> Answers:
    speeds = {route: Speed(**speed) for route, speed in content["routes"].items()}
    return Answers(**{**content, "speed": Speed(**content["speed"]), "routes": speeds})


def _read_online(content: Mapping[str, Any]) -> Online:
    promised = content["promised"]
    return Online(
        **{
            **content,
            "rmse": Interval(**content["rmse"]),
            "promised": None if promised is None else Interval(**promised),
        }
    )

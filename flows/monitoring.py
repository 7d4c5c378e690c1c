"""What a look at the service reads: the champion and its promise, answers, feedback, new items."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from components.answers.answered import Glance
from components.errors import BeholderError, CorruptFileError
from components.feedback.address import find_address
from components.feedback.joining import Joined, join
from components.feedback.tables import LAYOUT
from components.files import read_parquet, write_parquet
from components.models.bundle import Bundle, load_bundle
from components.monitoring.reference import Rated, Reference, make_reference
from components.params import Monitor
from components.paths import Workspace
from components.promotion.comparison import Comparison
from components.promotion.registry import Version
from components.settings import load_settings
from components.sqlite import find_file
from components.statistics import Interval
from flows.answers import open_answers
from flows.feedback import open_log
from flows.releases import COMPARISON_TAG, fetch_bundles, open_registry

NO_CHAMPION = "nothing to look at: there is no champion yet; run 'beholder retrain'"

_DAY = 86_400.0
# Test rows that a promise rests on: the test of a large workspace has more than anybody needs.
_PROMISED_ROWS = 20_000
_PROMISED_SEED = 0
# The time before may have had more answers than lately.
_MORE_BEFORE = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """Who is looked at: the champion as it answers, what it promised, and since when it is it."""

    version: Version
    served: Bundle
    folder: Path
    promised: Reference
    since: float | None


@dataclass(frozen=True)
class Heard:
    """What users did lately beside what they were told: by version, ratings and their moments."""

    named: int
    found: int
    rated: dict[str, Rated]
    times: dict[str, Sequence[float]]


@dataclass(frozen=True)
class Asked:
    """Answers given lately, and in the time before that is as long.

    `before` is None where the log does not reach back so far; `why_not` says so in plain words.
    """

    lately: Sequence[Glance]
    before: Sequence[Glance] | None
    lost: int
    why_not: str = ""


def open_subject(workspace: Workspace, champion: Version) -> Subject:
    """Return the champion with its promise, which is worked out once and kept."""
    bundles = fetch_bundles(workspace, champion)
    served = load_bundle(bundles.served)
    promised = _find_promise(workspace, champion, bundles.evaluation, served)
    return Subject(champion, served, bundles.served, promised, _find_start(workspace, champion))


def ask_answers(workspace: Workspace, monitor: Monitor, now: float) -> Asked | None:
    """Return who asked lately; None where no answers are kept."""
    with open_answers(workspace) as answers:
        if answers is None:
            return None
        since = now - monitor.days * _DAY
        lately = answers.glances(since, now, most=monitor.answers)
        kept = answers.count()
        if len(lately) == monitor.answers:
            since = lately[-1].at
        if kept.first is None or kept.first > 2 * since - now:
            days = 2 * (now - since) / _DAY
            why = f"the answer log is younger than the {days:.3g} days that are compared"
            return Asked(lately, None, kept.lost, why)
        most = _MORE_BEFORE * monitor.answers
        before = answers.glances(2 * since - now, since, most=most)
        if len(before) == most:
            return Asked(lately, None, kept.lost, "the time before had far more answers")
        return Asked(lately, before, kept.lost)


def hear_feedback(workspace: Workspace, monitor: Monitor, now: float) -> Heard | None:
    """Return what users told lately, joined to its answers; None where there is no such log."""
    address = find_address(workspace, load_settings())
    if not find_file(address, LAYOUT).exists():
        return None
    with open_log(workspace) as feedback, open_answers(workspace) as answers:
        if answers is None:
            return None
        since = feedback.find_start(monitor.ratings, now - monitor.days * _DAY)
        return _sort_out(list(join(feedback, answers, since)))


def find_promised_rmse(workspace: Workspace, version: str) -> Interval | None:
    """Return the RMSE that a version's evaluation measured; None if nobody knows it any more."""
    if not version.isdigit():
        return None
    try:
        text = open_registry(workspace).version(int(version)).tags.get(COMPARISON_TAG)
        rmse = None if text is None else Comparison.from_json(json.loads(text)).candidate.rmse
    except BeholderError as error:
        log.warning("promise unknown version=%s why=%s", version, error)
        return None
    return rmse if rmse is not None and np.isfinite(rmse.value) else None


def _sort_out(joined: Sequence[Joined]) -> Heard:
    rows: dict[str, list[tuple[str, float, float, float]]] = {}
    for one in joined:
        told, answered = one.told, one.answered
        if answered is not None and told.value is not None and one.predicted is not None:
            row = (told.user_id, told.value, one.predicted, told.stored_at)
            rows.setdefault(answered.version, []).append(row)
    rated: dict[str, Rated] = {}
    times: dict[str, Sequence[float]] = {}
    for version, found in rows.items():
        users, ratings, predicted, moments = zip(*found, strict=True)
        codes = np.unique(np.array(users, dtype=object), return_inverse=True)[1]
        rated[version] = Rated(codes, np.array(ratings, float), np.array(predicted, float))
        times[version] = moments
    return Heard(len(joined), sum(one.answered is not None for one in joined), rated, times)


def _find_promise(
    workspace: Workspace, version: Version, evaluation: Path, served: Bundle
) -> Reference:
    path = workspace.monitor / "promised" / f"{version.digest[:16]}.parquet"
    if path.is_file():
        try:
            return Reference.from_frame(read_parquet(path))
        except (CorruptFileError, KeyError) as error:
            log.warning("promise damaged, working it out anew why=%s", error)
    started = time.monotonic()
    promised = make_reference(
        load_bundle(evaluation), served, most=_PROMISED_ROWS, seed=_PROMISED_SEED
    )
    write_parquet(path, promised.to_frame())
    seconds = time.monotonic() - started
    log.info(
        "promise worked out version=%d rows=%d seconds=%.1f",
        *(version.number, len(promised.rated), seconds),
    )
    return promised


def _find_start(workspace: Workspace, version: Version) -> float | None:
    move = open_registry(workspace).ledger.read().last("moved", version=version.number)
    return None if move is None else datetime.fromisoformat(move.time).timestamp()

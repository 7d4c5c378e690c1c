"""The trial: a Bento is booted and must answer as the trainer did; what it costs is measured."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from components.errors import CorruptFileError, ServiceError
from components.models.golden import largest_difference, read_golden
from components.packaging.asking import (
    Subject,
    ask_images,
    ask_pairs,
    check_manners,
    time_lists,
    time_pictures,
)
from components.packaging.booting import NotReadyError, Running, boot
from components.packaging.release import BUNDLE, ReleaseManifest, read_release, verify_release
from components.params import Limits, Trial
from components.retrieval.statement import Statement

_ANSWER_SECONDS = 30.0
# A busy machine only ever adds to a latency, so a round over the limits is measured again.
_ROUNDS = 3
# Pictures cost a hundred times what lists cost.
_LISTS_A_PICTURE = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Latency:
    """Percentiles of the time to an answer, in milliseconds; NaN where none was measured."""

    p50: float = math.nan
    p99: float = math.nan

    @classmethod
    def of(cls, milliseconds: list[float]) -> "Latency":
        """Return the percentiles of some times."""
        p50, p99 = np.percentile(milliseconds, [50, 99]).tolist()
        return cls(p50, p99)

    def is_within(self, limits: Limits) -> bool:
        """Whether both percentiles are within the gate's limits."""
        return self.p50 <= limits.max_latency_p50_ms and self.p99 <= limits.max_latency_p99_ms


@dataclass(frozen=True)
class TrialReport:
    """What a trial found out; a number that was not measured is NaN.

    `timed_out` is a failure by time alone: too long to start, or to answer at all. A busy machine
    may be to blame, so it says nothing for good.
    """

    passed: bool
    reasons: tuple[str, ...]
    version: str = ""
    lineage_id: str = ""
    digest: str = ""
    content: str = ""
    questions: int = 0
    max_difference: float = math.nan
    latency: Latency = field(default_factory=Latency)
    image_latency: Latency = field(default_factory=Latency)
    memory_mb: float = math.nan
    bundle_mb: float = math.nan
    start_seconds: float = math.nan
    timed_out: bool = False
    retrieval: Statement = field(default_factory=Statement)

    def to_json(self) -> dict[str, Any]:
        """Return trial.json; a number that is not finite becomes null, which never passes."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "version": self.version,
            "lineage_id": self.lineage_id,
            "digest": self.digest,
            "content": self.content,
            "questions": self.questions,
            "max_difference": _finite(self.max_difference),
            "latency_ms": {name: _finite(value) for name, value in vars(self.latency).items()},
            "image_latency_ms": {
                name: _finite(value) for name, value in vars(self.image_latency).items()
            },
            "memory_mb": _finite(self.memory_mb),
            "bundle_mb": _finite(self.bundle_mb),
            "start_seconds": _finite(self.start_seconds),
            "timed_out": self.timed_out,
            "retrieval": self.retrieval.to_json(),
        }


def run_trial(
    bento: Path, trial: Trial, *, limits: Limits | None = None, python: Path | None = None
) -> TrialReport:
    """Boot a Bento, ask it, judge its answers, and measure what they cost.

    Response times over `limits` are measured again, and the best round counts; whether they are
    within them is the gate's to say. `python` is an interpreter that has the Bento's dependencies;
    default: this one. A Bento that is damaged, does not start or misbehaves is a failed report
    with its reasons, no exception.
    """
    report = TrialReport(passed=False, reasons=())
    try:
        report = _name(report, read_release(bento))
        manifest = verify_release(bento)
        with boot(bento, ready_seconds=trial.max_start_seconds, python=python) as running:
            report = _measure(report, running, manifest, bento / BUNDLE, trial, limits)
    except (CorruptFileError, ServiceError) as error:
        late = isinstance(error, NotReadyError) or isinstance(
            error.__cause__, httpx.TimeoutException
        )
        report = replace(report, reasons=(str(error),), timed_out=late)
    else:
        reasons = (*report.reasons, *judge(report, trial))
        report = replace(report, passed=not reasons, reasons=reasons)
    log.info("trial ended version=%s passed=%s", report.version, report.passed)
    return report


def judge(report: TrialReport, trial: Trial) -> tuple[str, ...]:
    """Return, in words, what is wrong with answers and lists, and each number not measured."""
    reasons = []
    if report.questions == 0:
        reasons.append("no golden question was asked")
    if math.isfinite(report.max_difference) and report.max_difference > trial.tolerance:
        reasons.append(
            f"golden answers differ from the trainer's by {report.max_difference:.6g}, "
            f"more than {trial.tolerance:g}"
        )
    reasons += [
        f"the index of {name} finds {search.recall:.4f} of the best {search.k} (recall@{search.k}),"
        f" less than trial.min_recall {trial.min_recall:g}; raise retrieval.{name}.width or "
        f"retrieval.{name}.shortlist, or search exactly with a higher retrieval.{name}.index_from"
        for name, search in report.retrieval.parts().items()
        if not search.recall >= trial.min_recall
    ]
    measured = {
        "golden answers differ from the trainer's by": (report.max_difference,),
        "lists take (milliseconds)": vars(report.latency).values(),
        "pictures take (milliseconds)": vars(report.image_latency).values(),
        "the server takes (MB)": (report.memory_mb,),
        "the bundle takes (MB)": (report.bundle_mb,),
    }
    reasons += [
        f"{what} {value}, which is no finite number"
        for what, values in measured.items()
        for value in values
        if not math.isfinite(value)
    ]
    return tuple(reasons)


def _name(report: TrialReport, manifest: ReleaseManifest) -> TrialReport:
    return replace(
        report,
        version=manifest.version,
        lineage_id=manifest.lineage_id,
        digest=manifest.digest,
        content=manifest.content,
        retrieval=manifest.retrieval,
    )


def _measure(
    report: TrialReport,
    running: Running,
    manifest: ReleaseManifest,
    bundle: Path,
    trial: Trial,
    limits: Limits | None,
) -> TrialReport:
    folder = bundle / "golden"
    golden = read_golden(folder)
    if not (golden.pairs and golden.images):
        raise CorruptFileError(f"{folder} must ask for pairs and for images; run 'refit' again")
    with httpx.Client(base_url=running.url, timeout=_ANSWER_SECONDS, trust_env=False) as client:
        subject = Subject(client, manifest, golden, folder)
        try:
            answers = [*ask_pairs(subject), *ask_images(subject)]
            pictures = max(trial.requests // _LISTS_A_PICTURE, 1)
            return replace(
                report,
                reasons=tuple(check_manners(subject)),
                start_seconds=running.start_seconds,
                questions=len(answers),
                max_difference=largest_difference(answers),
                latency=settle(lambda: time_lists(subject, trial.requests), limits),
                image_latency=settle(lambda: time_pictures(subject, pictures), limits),
                memory_mb=running.memory_mb(),
                bundle_mb=_measure_folder(bundle),
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ServiceError(f"the endpoint did not answer a question: {error}") from error


def settle(measure: Callable[[], list[float]], limits: Limits | None) -> Latency:
    """Return the best of a few rounds, the first one that is within the limits."""
    best = Latency.of(measure())
    for _ in range(_ROUNDS - 1):
        if limits is None or best.is_within(limits):
            break
        best = min(best, Latency.of(measure()), key=lambda latency: latency.p99)
    return best


def _measure_folder(folder: Path) -> float:
    """Return the size of all files below a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / (1 << 20)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

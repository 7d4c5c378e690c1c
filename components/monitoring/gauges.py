"""The last look as Prometheus gauges, in its text format."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from components.monitoring.alarms import NAMES
from components.monitoring.snapshot import Snapshot, find_newest
from components.paths import Workspace

# Every gauge: its name, what it says, its labels.
GAUGES = {
    "beholder_monitor_look_timestamp_seconds": ("When the last look was taken.", ()),
    "beholder_online_rmse": ("RMSE of ratings given lately to a version's answers.", ("version",)),
    "beholder_online_rmse_low": ("Lower end of its interval by users.", ("version",)),
    "beholder_online_rmse_high": ("Upper end of its interval by users.", ("version",)),
    "beholder_online_ratings": ("Ratings that it rests on.", ("version",)),
    "beholder_promised_rmse": ("RMSE that the version's evaluation measured.", ("version",)),
    "beholder_drift": ("What a check measured, the larger the worse.", ("kind",)),
    "beholder_drift_threshold": ("Above it the check is an alarm.", ("kind",)),
    "beholder_alarm": ("1 while a check is an alarm, 0 while it is not.", ("kind",)),
    "beholder_cold_share": ("Share of rated answers of which nothing was known.", ()),
    "beholder_fallback_share": ("Share of rated answers with nothing learnt for the user.", ()),
    "beholder_answer_milliseconds": ("How long answers took lately.", ("quantile",)),
    "beholder_model_age_seconds": ("How long the champion has been it, at the last look.", ()),
    "beholder_unjoined_share": ("Share of events that name an answer which is not kept.", ()),
}


@dataclass(frozen=True)
class _Sample:
    name: str
    value: float | None
    labels: tuple[str, ...] = ()


def render_last(workspace: Workspace) -> bytes:
    """Return the gauges of the newest look that can be read; nothing before the first one."""
    return render_gauges(find_newest(workspace))


def render_gauges(snapshot: Snapshot | None) -> bytes:
    """Return the gauges of a look; nothing before the first one. What is unknown is left out."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import GaugeMetricFamily

    if snapshot is None:
        return b""
    families = {
        name: GaugeMetricFamily(name, says, labels=labels)
        for name, (says, labels) in GAUGES.items()
    }
    for sample in _list_samples(snapshot):
        if sample.value is not None and math.isfinite(sample.value):
            families[sample.name].add_metric(sample.labels, sample.value)

    class Look:
        def collect(self) -> Iterable[GaugeMetricFamily]:
            return families.values()

    registry = CollectorRegistry()
    registry.register(Look())
    return generate_latest(registry)


def _list_samples(look: Snapshot) -> Iterator[_Sample]:
    yield _Sample("beholder_monitor_look_timestamp_seconds", look.at)
    for one in look.online:
        version = (one.version,)
        yield _Sample("beholder_online_rmse", one.rmse.value, version)
        yield _Sample("beholder_online_rmse_low", one.rmse.low, version)
        yield _Sample("beholder_online_rmse_high", one.rmse.high, version)
        yield _Sample("beholder_online_ratings", one.ratings, version)
        promised = None if one.promised is None else one.promised.value
        yield _Sample("beholder_promised_rmse", promised, version)
    for check in look.checks:
        yield _Sample("beholder_drift", check.value, (check.kind,))
        yield _Sample("beholder_drift_threshold", check.threshold, (check.kind,))
    alarmed = {alarm.kind for alarm in look.alarms}
    for kind in NAMES:
        yield _Sample("beholder_alarm", float(kind in alarmed), (kind,))
    if look.champion.since is not None:
        yield _Sample("beholder_model_age_seconds", look.at - look.champion.since)
    if look.feedback is not None:
        yield _Sample("beholder_unjoined_share", look.feedback.lost)
    if look.answers is not None:
        speed = look.answers.speed
        yield _Sample("beholder_cold_share", look.answers.cold)
        yield _Sample("beholder_fallback_share", look.answers.fallback)
        for quantile, value in (
            ("0.5", speed.p50_ms),
            ("0.9", speed.p90_ms),
            ("0.99", speed.p99_ms),
        ):
            yield _Sample("beholder_answer_milliseconds", value, (quantile,))

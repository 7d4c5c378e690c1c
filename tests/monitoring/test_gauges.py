from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from components.monitoring.gauges import GAUGES, render_gauges, render_last
from components.monitoring.snapshot import keep
from components.paths import Workspace
from tests.monitoring.making import alarmed, look


def read(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_look_is_told_in_gauges():
    values = read(render_gauges(alarmed(1000.0)))
    assert values["beholder_online_rmse", "3"] == 0.81
    assert values["beholder_promised_rmse", "3"] == 0.8
    assert values["beholder_drift", "ratings"] == 0.02
    assert values["beholder_alarm", "rmse"] == 1
    assert values["beholder_alarm", "images"] == 0
    assert values["beholder_model_age_seconds",] == 90_000
    assert values["beholder_answer_milliseconds", "0.99"] == 9.5
    assert values["beholder_unjoined_share",] == 1 - 18 / 20
    assert {name for name, *_ in values} == set(GAUGES)


def test_what_is_unknown_is_left_out():
    values = read(render_gauges(look(answers=None, feedback=None, online=())))
    assert ("beholder_drift", "images") not in values
    assert not any("online" in name or "share" in name for name, *_ in values)


def test_worker_tells_the_newest_look_and_nothing_before_the_first(tmp_path: Path):
    workspace = Workspace(tmp_path)
    assert render_last(workspace) == b""
    keep(workspace, look(1.0), 10)
    keep(workspace, alarmed(2.0), 10)
    assert read(render_last(workspace))["beholder_monitor_look_timestamp_seconds",] == 2.0

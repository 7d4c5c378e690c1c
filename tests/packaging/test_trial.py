import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.packaging.bento import package
from components.packaging.trial import Latency, TrialReport, judge, run_trial
from components.params import Trial
from components.promotion.gate import TrialFacts

TRIAL = Trial(
    tolerance=1e-4, requests=20, max_latency_ms=5000, max_memory_mb=4096, max_start_seconds=180
)
GOOD = TrialReport(
    passed=True,
    reasons=(),
    questions=10,
    max_difference=1e-6,
    latency=Latency(1.0, 2.0),
    image_latency=Latency(10.0, 20.0),
    memory_mb=900.0,
    start_seconds=3.0,
)


def test_report_within_its_budgets_has_nothing_against_it():
    assert judge(GOOD, TRIAL) == ()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"max_difference": 2e-4}, "golden answers differ from the trainer's by 0.0002"),
        ({"latency": Latency(1.0, 5001.0)}, "lists take (99th percentile) 5001 ms"),
        ({"image_latency": Latency(1.0, 6000.0)}, "pictures take (99th percentile) 6000 ms"),
        ({"memory_mb": 5000.0}, "the server takes 5000 MB, more than 4096 MB"),
        ({"questions": 0}, "no golden question was asked"),
    ],
)
def test_number_over_its_budget_is_a_reason(changed: dict[str, Any], reason: str):
    (found,) = judge(replace(GOOD, **changed), TRIAL)
    assert found.startswith(reason)


@given(
    value=st.sampled_from([math.nan, math.inf]),
    name=st.sampled_from(["max_difference", "memory_mb", "latency", "image_latency"]),
)
def test_number_that_is_not_finite_never_passes(value: float, name: str):
    changed: Any = Latency(1.0, value) if "latency" in name else value
    assert judge(replace(GOOD, **{name: changed}), TRIAL)


@given(
    difference=st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    latency=st.floats(min_value=0, max_value=1e6),
    memory=st.floats(min_value=0, max_value=1e6),
)
def test_passing_means_within_every_budget(difference: float, latency: float, memory: float):
    report = replace(
        GOOD, max_difference=difference, latency=Latency(latency, latency), memory_mb=memory
    )
    within = (
        difference <= TRIAL.tolerance
        and latency <= TRIAL.max_latency_ms
        and memory <= TRIAL.max_memory_mb
    )
    assert (judge(report, TRIAL) == ()) == within


def test_report_of_nothing_measured_is_json_that_the_gate_reads_and_never_passes():
    content = json.loads(json.dumps(TrialReport(False, ("broken",)).to_json(), allow_nan=False))
    facts = TrialFacts.from_json(content)
    assert not facts.passed
    assert facts.failures


def test_good_report_is_json_that_the_gate_reads():
    facts = TrialFacts.from_json(json.loads(json.dumps(GOOD.to_json(), allow_nan=False)))
    assert facts.passed
    assert facts.failures == ()
    assert facts.latency_p99_ms == 2.0


def test_folder_that_is_no_bento_fails_with_a_reason(tmp_path: Path):
    report = run_trial(tmp_path, TRIAL)
    assert not report.passed
    assert "no Beholder release" in report.reasons[0]


def test_tampered_file_fails_before_anything_is_booted(bento: Path, tmp_path: Path):
    copy = Path(shutil.copytree(bento, tmp_path / "copy"))
    (copy / "src/bundle/weights.safetensors").write_bytes(b"?")
    report = run_trial(copy, TRIAL)
    assert not report.passed
    assert "weights.safetensors is changed" in report.reasons[0]
    assert math.isnan(report.start_seconds)


@pytest.mark.integration
def test_wrong_golden_answers_fail_with_the_difference(
    make_served_bundle: Any, lineage: dict[str, str], tmp_path: Path
):
    make_served_bundle(tmp_path / "bundle", golden_offset=0.01)
    # So wide a tolerance of its own lets the endpoint start; the trial's is the one that counts.
    package(tmp_path / "bundle", lineage, tmp_path / "bento", tolerance=1.0)
    report = run_trial(tmp_path / "bento", TRIAL)
    assert not report.passed
    assert report.max_difference == pytest.approx(0.01, abs=1e-5)
    assert [reason for reason in report.reasons if "golden answers differ" in reason]

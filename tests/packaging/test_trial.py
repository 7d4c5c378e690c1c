import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.packaging.bento import package
from components.packaging.trial import Latency, TrialReport, judge, run_trial, settle
from components.params import Limits, Trial
from components.promotion.gate import TrialFacts
from components.retrieval.statement import Search, Statement

TRIAL = Trial(tolerance=1e-4, requests=20, max_start_seconds=180)
LIMITS = Limits(
    max_latency_p50_ms=10, max_latency_p99_ms=100, max_memory_mb=4096, max_bundle_mb=2048
)
GOOD = TrialReport(
    passed=True,
    reasons=(),
    questions=10,
    max_difference=1e-6,
    latency=Latency(1.0, 2.0),
    image_latency=Latency(10.0, 20.0),
    memory_mb=900.0,
    bundle_mb=20.0,
    start_seconds=3.0,
)


def test_good_report_has_nothing_against_it():
    assert judge(GOOD, TRIAL) == ()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"max_difference": 2e-4}, "golden answers differ from the trainer's by 0.0002"),
        ({"latency": Latency(1.0, math.nan)}, "lists take (milliseconds) nan, which is no finite"),
        ({"image_latency": Latency(math.inf, 6.0)}, "pictures take (milliseconds) inf"),
        ({"memory_mb": math.nan}, "the server takes (MB) nan"),
        ({"bundle_mb": math.nan}, "the bundle takes (MB) nan"),
        ({"questions": 0}, "no golden question was asked"),
        (
            {"retrieval": Statement(looks=Search("index", "IVF9", k=10, recall=0.912345))},
            "the index of looks finds 0.9123 of the best 10 (recall@10), less than trial.min_recall"
            " 0.95; raise retrieval.looks.width",
        ),
        (
            {"retrieval": Statement(tastes=Search("index", "IVF9", k=10, recall=math.nan))},
            "the index of tastes finds nan",
        ),
    ],
)
def test_wrong_answer_or_a_number_that_was_not_measured_is_a_reason(
    changed: dict[str, Any], reason: str
):
    (found,) = judge(replace(GOOD, **changed), TRIAL)
    assert found.startswith(reason)


@given(
    value=st.sampled_from([math.nan, math.inf]),
    name=st.sampled_from(["max_difference", "memory_mb", "bundle_mb", "latency", "image_latency"]),
)
def test_number_that_is_not_finite_never_passes(value: float, name: str):
    changed: Any = Latency(1.0, value) if "latency" in name else value
    assert judge(replace(GOOD, **{name: changed}), TRIAL)


@given(difference=st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_passing_means_answers_within_the_tolerance_whatever_they_cost(difference: float):
    report = replace(
        GOOD, max_difference=difference, latency=Latency(1e5, 1e6), memory_mb=1e6, bundle_mb=1e6
    )
    assert (judge(report, TRIAL) == ()) == (difference <= TRIAL.tolerance)


@pytest.mark.parametrize(
    ("rounds", "taken"),
    [
        ([[1.0] * 10, [0.5] * 10], 1.0),  # the first one within the limits
        ([[50.0] * 10, [1.0] * 10], 1.0),  # a median over its limit, though its p99 is not
        ([[900.0] * 10, [700.0] * 10, [800.0] * 10, [1.0] * 10], 700.0),  # the best of three
    ],
)
def test_times_over_the_limits_are_measured_again_and_the_best_round_counts(
    rounds: list[list[float]], taken: float
):
    assert settle(iter(rounds).__next__, LIMITS).p99 == taken


def test_without_limits_times_are_measured_once():
    assert settle(iter([[900.0], [1.0]]).__next__, None).p99 == 900.0


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
    assert facts.image_latency_p99_ms == 20.0
    assert facts.bundle_mb == 20.0
    assert not facts.timed_out


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
def test_server_that_is_not_ready_in_time_failed_by_time_alone(bento: Path):
    hasty = TRIAL.model_copy(update={"max_start_seconds": 0.05})
    report = run_trial(bento, hasty)
    assert not report.passed
    assert report.timed_out
    assert "not ready in time" in report.reasons[0]


@pytest.mark.integration
def test_an_index_that_finds_too_little_fails_and_nothing_else_is_wrong(indexed_bento: Path):
    report = run_trial(indexed_bento, TRIAL)
    assert not report.passed
    (reason,) = report.reasons
    assert re.search(
        r"the index of looks finds 0\.\d{4} .*less than trial\.min_recall 0\.95", reason
    )
    assert report.max_difference <= TRIAL.tolerance
    assert report.to_json()["retrieval"]["looks"]["recall"] < 0.95
    assert not TrialFacts.from_json(report.to_json()).passed


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
    assert not report.timed_out
    assert report.bundle_mb > 0

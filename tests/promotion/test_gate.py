import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import CorruptFileError
from components.promotion.comparison import Comparison, Rung, Score
from components.promotion.gate import TrialFacts, Verdict, judge
from components.statistics import Interval
from tests.promotion.judging import GATE, NAN, PASSED, against_champion, score

rmses = st.floats(0.01, 4)
any_float = st.floats(allow_nan=True, allow_infinity=True)
not_finite = st.sampled_from([math.nan, math.inf, -math.inf])


def rung(difference: Interval, family: str = "biases") -> Rung:
    return Rung(score(0.9, "r", family=family), difference)


def against_ladder(**differences: Interval) -> Comparison:
    rungs = {name: rung(difference, name) for name, difference in differences.items()}
    return replace(against_champion(0, 0), champion=None, difference=None, ladder=rungs)


# Against a champion


@given(st.floats(-3, -1e-9), st.floats(0, 3))
def test_interval_below_zero_promotes(high: float, width: float):
    verdict = judge(against_champion(high - width, high), PASSED, GATE)
    assert verdict.decision == "promote"


@given(st.floats(0, 3), st.floats(0, 3))
def test_candidate_that_is_worse_by_value_never_promotes(value: float, half: float):
    verdict = judge(against_champion(value - half, value + half), PASSED, GATE)
    assert verdict.decision != "promote"


def test_interval_above_zero_rejects_with_the_numbers():
    verdict = judge(against_champion(0.01, 0.03), PASSED, GATE)
    assert verdict.decision == "reject"
    assert "worse" in verdict.reasons[0]
    assert "+0.0100 to +0.0300" in verdict.reasons[0]
    assert "100 rows of 20 users" in verdict.reasons[0]


@pytest.mark.parametrize(("low", "high"), [(-0.02, 0.01), (-0.02, 0.0), (0.0, 0.02)])
def test_interval_that_touches_zero_is_inconclusive(low: float, high: float):
    assert judge(against_champion(low, high), PASSED, GATE).decision == "inconclusive"


def test_champion_itself_is_no_candidate():
    comparison = replace(against_champion(-0.2, -0.1), champion=score(0.9, "c"))
    verdict = judge(comparison, PASSED, GATE)
    assert verdict.decision == "inconclusive"
    assert "is the champion" in verdict.reasons[0]


def test_champion_that_answers_nonsense_is_named_and_keeps_its_place():
    comparison = replace(
        against_champion(-0.2, -0.1), champion=Score("bad", "mf", NAN, 3), difference=NAN
    )
    verdict = judge(comparison, PASSED, GATE)
    assert verdict.decision == "inconclusive"
    assert "champion bad" in verdict.reasons[0]


@pytest.mark.parametrize(("rows", "users"), [(29, 20), (100, 9), (0, 0)])
def test_too_few_rows_or_users_are_inconclusive_whatever_the_numbers(rows: int, users: int):
    comparison = replace(against_champion(-0.2, -0.1), rows=rows, users=users)
    if not rows:
        comparison = replace(comparison, candidate=replace(score(0.8), rmse=NAN), difference=NAN)
    verdict = judge(comparison, PASSED, GATE)
    assert verdict.decision == "inconclusive"
    assert "are needed" in verdict.reasons[0]


def test_comparison_at_another_level_has_to_be_made_again():
    verdict = judge(replace(against_champion(-0.2, -0.1), level=0.8), PASSED, GATE)
    assert verdict.decision == "inconclusive"
    assert "compare again" in verdict.reasons[0]


# What never passes


@given(st.lists(any_float, min_size=7, max_size=7))
def test_only_a_wholly_finite_trial_within_every_limit_can_promote(numbers: list[float]):
    verdict = judge(against_champion(-0.2, -0.1), TrialFacts(True, (), *numbers), GATE)
    limits = (math.inf, 50, 100, 1000, 50, 100, 500)
    is_within = all(
        math.isfinite(number) and number <= limit
        for number, limit in zip(numbers, limits, strict=True)
    )
    assert verdict.decision == ("promote" if is_within else "reject")


@given(st.floats(-3, 3), st.floats(0, 1))
def test_failed_trial_rejects_whatever_the_numbers(value: float, half: float):
    trial = replace(PASSED, passed=False, reasons=("answers differ by 0.3",))
    verdict = judge(against_champion(value - half, value + half), trial, GATE)
    assert verdict.decision == "reject"
    assert verdict.reasons == ("the trial failed: answers differ by 0.3",)
    assert not verdict.again


def test_failed_trial_without_reasons_still_rejects():
    verdict = judge(against_champion(-0.2, -0.1), replace(PASSED, passed=False), GATE)
    assert verdict.decision == "reject"
    assert verdict.reasons


@given(not_finite, st.integers(0, 2))
def test_rmse_that_is_not_finite_rejects(value: float, place: int):
    numbers = [0.8, 0.7, 0.9]
    numbers[place] = value
    candidate = replace(score(0.8), rmse=Interval(*numbers))
    comparison = replace(against_champion(-0.2, -0.1), candidate=candidate)
    assert judge(comparison, PASSED, GATE).decision == "reject"


@given(not_finite, st.integers(0, 2))
def test_difference_that_is_not_finite_never_promotes(value: float, place: int):
    numbers = [-0.2, -0.3, -0.1]
    numbers[place] = value
    comparison = replace(against_champion(-0.2, -0.1), difference=Interval(*numbers))
    assert judge(comparison, PASSED, GATE).decision != "promote"
    first = against_ladder(mean=Interval(*numbers), biases=Interval(-0.2, -0.3, -0.1))
    assert judge(first, PASSED, GATE).decision != "promote"


def test_weights_that_are_not_finite_reject_though_the_rmse_is_fine():
    comparison = replace(against_champion(-0.2, -0.1), candidate=score(0.5, non_finite=2))
    verdict = judge(comparison, PASSED, GATE)
    assert verdict.decision == "reject"
    assert "2 of the candidate's" in verdict.reasons[0]


# The first champion


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 0.5)), min_size=1, max_size=4))
def test_first_champion_is_better_than_every_rung(pairs: list[tuple[float, float]]):
    differences = {
        f"rung{number}": Interval(value, value - half, value + half)
        for number, (value, half) in enumerate(pairs)
    }
    verdict = judge(against_ladder(**differences), PASSED, GATE)
    assert (verdict.decision == "promote") == all(value < 0 for value, _ in pairs)


def test_first_candidate_significantly_worse_than_one_rung_is_rejected():
    comparison = against_ladder(mean=Interval(-0.2, -0.3, -0.1), biases=Interval(0.02, 0.01, 0.03))
    verdict = judge(comparison, PASSED, GATE)
    assert verdict.decision == "reject"
    assert any("worse" in reason and "biases" in reason for reason in verdict.reasons)


def test_first_champion_is_told_where_its_lead_is_not_significant():
    verdict = judge(against_ladder(biases=Interval(-0.01, -0.03, 0.01)), PASSED, GATE)
    assert verdict.decision == "promote"
    assert any("not significantly" in reason for reason in verdict.reasons)


def test_rung_of_the_candidates_own_family_does_not_stand_in_its_way():
    same = Interval(0.0, 0.0, 0.0)
    comparison = against_ladder(hybrid=same, mean=Interval(-0.2, -0.3, -0.1))
    assert judge(comparison, PASSED, GATE).decision == "promote"
    assert judge(against_ladder(hybrid=same), PASSED, GATE).decision == "inconclusive"


def test_no_champion_and_no_ladder_is_inconclusive():
    assert judge(against_ladder(), PASSED, GATE).decision == "inconclusive"


# What it may cost


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"latency_p50_ms": 51.0}, "too slow: lists take a median of 51 ms, the limit is 50 ms"),
        ({"latency_p99_ms": 101.0}, "too slow: lists take (99th percentile) 101 ms"),
        ({"image_latency_p50_ms": 51.0}, "too slow: pictures take a median of 51 ms"),
        ({"image_latency_p99_ms": 101.0}, "too slow: pictures take (99th percentile) 101 ms"),
        ({"memory_mb": 1001.0}, "too large: the server takes 1001 MB, the limit is 1000 MB"),
        ({"bundle_mb": 501.0}, "too large: the bundle takes 501 MB, the limit is 500 MB"),
    ],
)
def test_cost_over_its_limit_rejects_the_best_of_candidates(changed: dict[str, float], reason: str):
    verdict = judge(against_champion(-0.2, -0.1), replace(PASSED, **changed), GATE)
    assert verdict.decision == "reject"
    assert verdict.reasons[0].startswith(reason)
    assert any(text.startswith("better") for text in verdict.reasons)
    assert verdict.again == reason.startswith("too slow")


@pytest.mark.parametrize(
    ("comparison", "trial"),
    [
        (against_champion(-0.02, 0.01), replace(PASSED, latency_p99_ms=900.0)),
        (against_champion(0.1, 0.2), replace(PASSED, latency_p99_ms=900.0)),
        (against_champion(-0.2, -0.1), replace(PASSED, latency_p99_ms=900.0, memory_mb=9e9)),
        (against_champion(-0.2, -0.1), replace(PASSED, passed=False, reasons=("wrong",))),
        (
            replace(against_champion(-0.2, -0.1), candidate=score(0.5, non_finite=1)),
            replace(PASSED, passed=False, reasons=("late",), timed_out=True),
        ),
    ],
)
def test_verdict_is_found_again_only_if_nothing_but_time_stands_against_it(
    comparison: Comparison, trial: TrialFacts
):
    verdict = judge(comparison, trial, GATE)
    assert verdict.decision == "reject"
    assert not verdict.again


def test_trial_that_only_took_too_long_is_tried_again_and_says_so():
    unmeasured = TrialFacts(False, ("not ready in time",), *[math.nan] * 7, timed_out=True)
    verdict = judge(against_champion(-0.2, -0.1), unmeasured, GATE)
    assert verdict.again
    assert verdict.reasons[0] == "the trial failed: not ready in time"
    assert len(verdict.reasons) == 2
    assert "tries it again" in verdict.reasons[1]


def test_verdict_carries_the_policy_by_which_it_was_found():
    for trial in (PASSED, replace(PASSED, passed=False), replace(PASSED, memory_mb=1e9)):
        verdict = judge(against_champion(-0.2, -0.1), trial, GATE)
        assert verdict.policy == GATE.model_dump(mode="json")
        assert verdict.policy["slices"]["margin"] == 0.05


# Reading and writing


TRIAL_JSON = {
    "passed": True,
    "reasons": [],
    "max_difference": 1e-6,
    "latency_ms": {"p50": 4.0, "p99": 9.0},
    "image_latency_ms": {"p50": 20.0, "p99": 40.0},
    "memory_mb": 800.0,
    "bundle_mb": 30.0,
    "timed_out": False,
    "anything": "else",
}


def test_trial_is_read_from_its_json():
    assert TrialFacts.from_json(TRIAL_JSON) == PASSED


def test_null_in_a_trial_is_not_finite():
    content = {**TRIAL_JSON, "max_difference": None, "latency_ms": {"p50": 4.0, "p99": None}}
    assert len(TrialFacts.from_json(content).failures) == 2


@pytest.mark.parametrize("passed", ["true", 1, None])
def test_trial_passes_by_true_alone(passed: object):
    assert not TrialFacts.from_json({**TRIAL_JSON, "passed": passed}).passed


@pytest.mark.parametrize("content", [{}, None, {"passed": True}, {"passed": True, "reasons": 3}])
def test_what_is_no_trial_is_refused(content: object):
    with pytest.raises(CorruptFileError, match="this is no trial"):
        TrialFacts.from_json(content)


def test_verdict_survives_json():
    slow = replace(PASSED, latency_p99_ms=900.0)
    for trial in (PASSED, slow, replace(PASSED, passed=False)):
        verdict = judge(against_champion(-0.2, -0.1), trial, GATE)
        assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_verdict_from_before_policies_were_kept_is_read():
    content = {"decision": "reject", "reasons": ["worse"]}
    assert Verdict.from_json(content) == Verdict("reject", ("worse",))


@pytest.mark.parametrize("content", [{}, {"decision": "perhaps", "reasons": []}, None])
def test_what_is_no_verdict_is_refused(content: object):
    with pytest.raises(CorruptFileError, match="this is no verdict"):
        Verdict.from_json(content)

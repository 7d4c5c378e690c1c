import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import CorruptFileError
from components.params import Gate
from components.promotion.comparison import Comparison, Rung, Score
from components.promotion.gate import TrialFacts, Verdict, judge
from components.statistics import Interval, bootstrap_rmse, paired_bootstrap

GATE = Gate(level=0.95, bootstrap=200, min_rows=30, min_users=10, seed=0)
PASSED = TrialFacts(True, (), 1e-6, 4.0, 9.0, 800.0)
NAN = Interval(math.nan, math.nan, math.nan)

rmses = st.floats(0.01, 4)
any_float = st.floats(allow_nan=True, allow_infinity=True)
not_finite = st.sampled_from([math.nan, math.inf, -math.inf])


def score(rmse: float, digest: str = "c", *, family: str = "hybrid", non_finite: int = 0) -> Score:
    return Score(digest, family, Interval(rmse, rmse - 0.01, rmse + 0.01), non_finite)


def rung(difference: Interval, family: str = "biases") -> Rung:
    return Rung(score(0.9, "r", family=family), difference)


def against_champion(low: float, high: float) -> Comparison:
    return Comparison(
        rows=100,
        users=20,
        learnt_by_champion=0,
        learnt_by_candidate=0,
        level=0.95,
        candidate=score(0.85),
        champion=score(0.9, "champion"),
        difference=Interval((low + high) / 2, low, high),
        ladder={},
    )


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


@given(any_float, any_float, any_float, any_float)
def test_only_a_wholly_finite_trial_can_promote(
    difference: float, p50: float, p99: float, memory: float
):
    trial = TrialFacts(True, (), difference, p50, p99, memory)
    verdict = judge(against_champion(-0.2, -0.1), trial, GATE)
    finite = all(map(math.isfinite, (difference, p50, p99, memory)))
    assert verdict.decision == ("promote" if finite else "reject")


@given(st.floats(-3, 3), st.floats(0, 1))
def test_failed_trial_rejects_whatever_the_numbers(value: float, half: float):
    trial = replace(PASSED, passed=False, reasons=("answers differ by 0.3",))
    verdict = judge(against_champion(value - half, value + half), trial, GATE)
    assert verdict == Verdict("reject", ("the trial failed: answers differ by 0.3",))


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


# Statistics end to end


def simulate(seed: int, gain: float, users: int = 40, rows: int = 6) -> Comparison:
    """Two models whose errors share each user's difficulty; `gain` makes the candidate better."""
    generator = np.random.default_rng(seed)
    codes = np.repeat(np.arange(users), rows)
    shared = np.repeat(generator.gamma(2.0, 0.3, users), rows)
    candidate = shared * generator.chisquare(1, len(codes)) * (1 - gain)
    champion = shared * generator.chisquare(1, len(codes))
    how = {"draws": GATE.bootstrap, "level": GATE.level, "seed": GATE.seed}
    return replace(
        against_champion(0, 0),
        candidate=replace(score(1), rmse=bootstrap_rmse(codes, candidate, **how)),
        champion=replace(score(1, "b"), rmse=bootstrap_rmse(codes, champion, **how)),
        difference=paired_bootstrap(codes, candidate, champion, **how),
    )


def test_without_a_difference_wrong_promotions_stay_at_their_level():
    promoted = [judge(simulate(seed, 0.0), PASSED, GATE).decision for seed in range(400)]
    # Two sides at 95 %: 2.5 % on this one; three standard errors of 400 draws are 2.3 points.
    assert promoted.count("promote") / 400 <= 0.048


def test_much_better_is_always_promoted():
    assert {judge(simulate(seed, 0.8), PASSED, GATE).decision for seed in range(20)} == {"promote"}


# Reading and writing


def test_trial_is_read_from_its_json():
    content = {
        "passed": True,
        "reasons": [],
        "max_difference": 1e-6,
        "latency_ms": {"p50": 4.0, "p99": 9.0},
        "memory_mb": 800.0,
        "anything": "else",
    }
    assert TrialFacts.from_json(content) == PASSED


def test_null_in_a_trial_is_not_finite():
    content = {
        "passed": True,
        "reasons": [],
        "max_difference": None,
        "latency_ms": {"p50": 4.0, "p99": None},
        "memory_mb": 800.0,
    }
    assert len(TrialFacts.from_json(content).failures) == 2


@pytest.mark.parametrize("passed", ["true", 1, None])
def test_trial_passes_by_true_alone(passed: object):
    content = {
        "passed": passed,
        "reasons": [],
        "max_difference": 0.0,
        "latency_ms": {"p50": 1.0, "p99": 1.0},
        "memory_mb": 1.0,
    }
    assert not TrialFacts.from_json(content).passed


@pytest.mark.parametrize("content", [{}, None, {"passed": True}, {"passed": True, "reasons": 3}])
def test_what_is_no_trial_is_refused(content: object):
    with pytest.raises(CorruptFileError, match="this is no trial"):
        TrialFacts.from_json(content)


def test_verdict_survives_json():
    verdict = Verdict("reject", ("worse: …",))
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize("content", [{}, {"decision": "perhaps", "reasons": []}, None])
def test_what_is_no_verdict_is_refused(content: object):
    with pytest.raises(CorruptFileError, match="this is no verdict"):
        Verdict.from_json(content)

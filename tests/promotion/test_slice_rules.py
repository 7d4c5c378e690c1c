"""What a slice does to a verdict, whatever the overall numbers say."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.params import Gate
from components.promotion.comparison import Comparison, Part
from components.promotion.gate import Verdict, judge
from components.statistics import Interval
from tests.promotion.judging import GATE, NAN, PASSED, against_champion

not_finite = st.sampled_from([math.nan, math.inf, -math.inf])


def part(low: float, high: float, *, floor: float | None = None, **counts: int) -> Part:
    value = (low + high) / 2
    sizes = {"rows": 80, "users": 15} | counts
    rmse = Interval(0.9, 0.8, 1.0)
    floor = low - 0.02 if floor is None else floor
    return Part(
        **sizes, candidate=rmse, champion=rmse, difference=Interval(value, low, high), floor=floor
    )


def judge_with(gate: Gate = GATE, **slices: Part) -> Verdict:
    """Judge a candidate that is better over all."""
    comparison = replace(against_champion(-0.2, -0.1), slices=slices)
    return judge(comparison, PASSED, gate)


def with_slices(**changes: object) -> Gate:
    return GATE.model_copy(update={"slices": GATE.slices.model_copy(update=changes)})


def test_slice_within_its_margin_holds_and_is_told_with_its_numbers():
    verdict = judge_with(warm=part(-0.1, 0.049), late=part(-0.1, -0.05))
    assert verdict.decision == "promote"
    assert verdict.slices == {"warm": "holds", "late": "holds"}
    assert "2 slices, least so in warm" in verdict.reasons[-1]
    assert "80 rows of 15 users" in verdict.reasons[-1]


def test_slice_surely_beyond_its_margin_rejects_what_is_better_over_all():
    verdict = judge_with(cold_item=part(0.07, 0.11, floor=0.06), warm=part(-0.2, -0.1))
    assert verdict.decision == "reject"
    assert verdict.slices["cold_item"] == "worse"
    assert verdict.reasons[0].startswith("worse in cold_item, by +0.0600 at least")
    assert any(reason.startswith("better") for reason in verdict.reasons)


def test_interval_beyond_the_margin_is_no_rejection_if_many_slices_were_looked_at():
    verdict = judge_with(cold_item=part(0.06, 0.1, floor=0.04))
    assert verdict.decision == "inconclusive"
    assert verdict.reasons[0].startswith("perhaps worse in cold_item, margin 0.05")


def test_slice_measured_beyond_its_margin_is_inconclusive():
    verdict = judge_with(cold_user=part(-0.02, 0.14))
    assert verdict.decision == "inconclusive"
    assert verdict.slices["cold_user"] == "unclear"


def test_slice_that_is_not_sure_is_told_and_stops_nothing_unless_it_must_hold():
    slices = {"warm": part(-0.04, 0.08)}
    verdict = judge_with(**slices)
    assert verdict.decision == "promote"
    assert verdict.slices == {"warm": "unclear"}
    assert verdict.reasons[-1] == "not sure within the margin in warm (+0.0200, up to +0.0800)"
    verdict = judge_with(with_slices(must_hold=("warm",)), **slices)
    assert verdict.decision == "inconclusive"
    assert "which must hold" in verdict.reasons[0]


@pytest.mark.parametrize("counts", [{"rows": 19}, {"users": 4}])
def test_slice_with_too_few_rows_is_never_fine(counts: dict[str, int]):
    small = part(-0.5, -0.4, **counts)
    verdict = judge_with(cold_item=small, warm=part(-0.2, -0.1))
    assert verdict.decision == "promote"
    assert verdict.slices == {"cold_item": "too few rows", "warm": "holds"}
    assert verdict.reasons[-1].startswith("too few rows to say in cold_item (")
    assert "20 rows of 5 users are needed" in verdict.reasons[-1]
    verdict = judge_with(with_slices(must_hold=("cold_item",)), cold_item=small)
    assert verdict.decision == "inconclusive"
    assert verdict.reasons[0].startswith("too few rows to say in cold_item, which must hold")


def test_slice_that_must_hold_and_has_no_rows_is_inconclusive():
    verdict = judge_with(with_slices(must_hold=("cold_item",)), warm=part(-0.2, -0.1))
    assert verdict.decision == "inconclusive"
    assert "no test row is in cold_item" in verdict.reasons[0]


def test_margin_of_a_slice_stands_before_the_margin_of_all():
    strict = with_slices(margins={"warm": 0.0, "category": 0.3})
    slices = {"warm": part(-0.05, -0.001), "category Hills": part(0.1, 0.29)}
    assert judge_with(strict, **slices).decision == "promote"
    assert judge_with(strict, warm=part(-0.01, 0.02)).decision == "inconclusive"
    assert judge_with(**{"category Hills": part(0.1, 0.29, floor=0.09)}).decision == "reject"


def test_every_category_must_hold_if_categories_must():
    must = with_slices(must_hold=("category",))
    held = {"category Hills": part(-0.1, 0.0)}
    assert judge_with(must, **held).decision == "promote"
    assert judge_with(must, **held, **{"category Rays": part(-0.1, 0.09)}).decision == (
        "inconclusive"
    )


def test_worse_over_all_stays_rejected_however_good_the_slices():
    comparison = replace(against_champion(0.01, 0.03), slices={"warm": part(-0.2, -0.1)})
    assert judge(comparison, PASSED, GATE).decision == "reject"


@given(not_finite, st.integers(0, 2), st.sampled_from(["candidate", "champion", "difference"]))
def test_slice_with_a_number_that_is_not_finite_never_holds(value: float, place: int, name: str):
    fine = part(-0.2, -0.1)
    numbers = [-0.15, -0.2, -0.1]
    numbers[place] = value
    verdict = judge_with(warm=replace(fine, **{name: Interval(*numbers)}))
    assert verdict.decision != "promote"
    assert verdict.slices["warm"] == "unclear"


def test_floor_that_is_no_number_rejects_nothing_and_lets_nothing_pass():
    verdict = judge_with(warm=part(0.2, 0.3, floor=math.nan))
    assert verdict.decision == "inconclusive"


def test_slice_without_a_champions_numbers_is_never_fine():
    lonely = Part(80, 15, Interval(0.9, 0.8, 1.0), None, None, None)
    assert judge_with(warm=lonely).decision == "inconclusive"
    assert judge_with(warm=replace(lonely, difference=NAN)).decision == "inconclusive"


values = st.floats(-1, 1)
halves = st.floats(0, 1)
slices_strategy = st.dictionaries(
    st.sampled_from(["warm", "cold_item", "cold_user", "late", "category Hills"]),
    st.builds(
        lambda value, half, rows, users: part(value - half, value + half, rows=rows, users=users),
        values,
        halves,
        st.integers(0, 100),
        st.integers(0, 30),
    ),
)


@given(values, halves, slices_strategy)
def test_no_promotion_with_a_judged_slice_measured_beyond_its_margin(
    value: float, half: float, slices: dict[str, Part]
):
    comparison = replace(against_champion(value - half, value + half), slices=slices)
    verdict = judge(comparison, PASSED, GATE)
    if verdict.decision == "promote":
        assert value < 0
        for name, one in slices.items():
            assert one.difference is not None
            state = verdict.slices[name]
            assert state != "worse"
            assert state == "too few rows" or one.difference.value <= 0.05


@given(slices_strategy, st.randoms(use_true_random=False))
def test_order_of_the_slices_does_not_decide(slices: dict[str, Part], random: object):
    names = list(slices)
    random.shuffle(names)
    one: Comparison = replace(against_champion(-0.2, -0.1), slices=slices)
    other = replace(one, slices={name: slices[name] for name in names})
    assert judge(one, PASSED, GATE).decision == judge(other, PASSED, GATE).decision
    assert judge(one, PASSED, GATE).slices == judge(other, PASSED, GATE).slices

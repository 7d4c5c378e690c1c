import math
from dataclasses import replace

import pytest

from components.promotion.gate import Verdict, judge
from components.review.forest import plot_ladder, plot_slices
from components.statistics import Interval
from tests.review.making import GATE, NAN, TRIAL, compared, first, part


def plot(comparison, gate=GATE):
    forest = plot_slices(comparison, judge(comparison, TRIAL, gate))
    assert forest is not None
    return forest


def test_each_slice_says_what_the_gate_found():
    comparison = compared(
        late=part(500, -0.06, -0.02),
        early=part(500, -0.01, 0.03),
        cold_item=part(300, 0.06, 0.2, 0.055),
        old_item=part(300, -0.02, 0.09),
        cold_user=part(20, -0.5, 0.5, math.nan),
    )
    words = {row.label: row.word for row in plot(comparison).lines}
    assert words == {
        "All test ratings": "better",
        "Later half of the test": "better",
        "Earlier half of the test": "within margin",
        "New item": "worse",
        "Items rated for long": "not sure",
        "New user": "too few rows",
    }


def test_slice_with_too_few_rows_has_no_interval_and_does_not_stretch_the_scale():
    narrow = compared(late=part(500, -0.06, -0.02))
    with_small = compared(late=part(500, -0.06, -0.02), cold_user=part(10, -9, 9, math.nan))
    lines = {row.label: row for row in plot(with_small).lines}
    assert lines["New user"].mark is None
    (_, late) = plot(narrow).lines
    assert lines[late.label].mark == late.mark


def test_zero_margins_and_intervals_stand_on_one_scale():
    gate = replace_slices(margins={"late": 0.1})
    forest = plot(compared(late=part(500, -0.06, 0.02)), gate)
    late = forest.lines[1]
    assert late.allowed == 0.1
    assert late.must_hold
    assert late.margin is not None
    assert late.mark is not None
    assert 0 < late.mark.low < forest.zero < late.mark.low + late.mark.width < late.margin < 100
    assert {text: at for at, text in forest.ticks}["0"] == pytest.approx(forest.zero)
    assert any(text.startswith("−") for _, text in forest.ticks)


def replace_slices(**changed):
    return GATE.model_copy(update={"slices": GATE.slices.model_copy(update=changed)})


def test_difference_without_an_interval_is_not_drawn():
    comparison = compared(
        late=replace(part(500, 0, 0), difference=Interval(0.1, math.nan, math.nan))
    )
    assert plot(comparison).lines[1].mark is None
    broken = replace(compared(), difference=NAN)
    (whole, *_) = plot(broken).lines
    assert (whole.mark, whole.word) == (None, "no number")


def test_slices_that_the_gate_never_came_to_judge_say_what_was_measured():
    forest = plot_slices(
        compared(late=part(500, -0.06, -0.02)), Verdict("reject", ("trial failed",))
    )
    assert forest is not None
    assert (forest.lines[1].word, forest.lines[1].margin) == ("better", None)


def test_without_a_champion_there_is_a_ladder_and_no_slice():
    comparison = first()
    assert plot_slices(comparison, judge(comparison, TRIAL, GATE)) is None
    forest = plot_ladder(comparison)
    assert forest is not None
    assert [(row.label, row.word) for row in forest.lines] == [("User and item averages", "better")]
    assert plot_ladder(replace(comparison, ladder={})) is None

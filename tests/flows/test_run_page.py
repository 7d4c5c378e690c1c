import math
from dataclasses import replace

from components.promotion.comparison import Comparison
from components.promotion.gate import Verdict
from components.statistics import Interval
from flows.run_page import describe

VERDICT = Verdict("promote", ("better: by 0.05", "fast enough"), slices={"late": "holds"})


def test_page_holds_the_verdict_its_reasons_and_a_row_a_model(comparison: Comparison):
    lines = describe(7, comparison, VERDICT).splitlines()
    assert lines[0] == "# Version 7: promote"
    assert "- better: by 0.05" in lines
    assert "- fast enough" in lines
    assert "1,234 test rows of 56 users, 95% intervals by users." in lines
    rows = [line for line in lines if line.startswith("|")]
    assert rows[2:6] == [
        "| version 7 (hybrid) | 0.8500 | 0.8400 – 0.8600 |  |",
        "| champion (mf) | 0.9000 | 0.8900 – 0.9100 | -0.0500 |",
        "| biases | 0.9500 | 0.9400 – 0.9600 | -0.1000 |",
        "| mean | 1.1000 | 1.0900 – 1.1100 | -0.2500 |",
    ]
    assert {row.count("|") for row in rows[:6]} == {5}
    assert rows[8:] == ["| late | 600 | 40 | -0.0400 | -0.0500 – -0.0300 | holds |"]
    assert {row.count("|") for row in rows[6:]} == {7}


def test_first_version_has_no_row_of_a_champion(comparison: Comparison):
    late = replace(comparison.slices["late"], champion=None, difference=None, floor=None)
    first = replace(comparison, champion=None, difference=None, slices={"late": late})
    assert "champion" not in describe(1, first, VERDICT)


def test_numbers_that_are_none_are_shown_as_such(comparison: Comparison):
    broken = replace(
        comparison,
        candidate=replace(comparison.candidate, rmse=Interval(math.nan, math.nan, math.nan)),
    )
    assert "| version 1 (hybrid) | nan | nan – nan |  |" in describe(1, broken, VERDICT)

from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.params import Params
from components.validation import suites
from components.validation.judge import Judge, Judgement


@pytest.fixture
def judge() -> Judge:
    return Judge()


def judge_rows(
    judge: Judge, expectations: list[Any], good: dict[str, Any], *bad: dict[str, Any]
) -> Judgement:
    """Judge one good row and, below it, that row with something changed."""
    rows = [good, *({**good, **changed} for changed in bad)]
    frame = pd.DataFrame(rows, columns=list(good))
    return judge.judge("rows", frame, expectations, [])


RATING = {
    "user_id": "u",
    "item_id": "i",
    "rating": 3.5,
    "timestamp": 1_500_000_000,
    "batch": 0,
    "item_rows": 1,
}


def test_each_fault_of_a_rating_is_refused_with_its_reason(judge: Judge, params: Params) -> None:
    faults = {
        "user_id is empty": {"user_id": ""},
        "item_id is empty": {"item_id": None},
        "rating is missing": {"rating": np.nan},
        "rating is not within 0.5 to 5": {"rating": 5.5},
        "timestamp is not plausible": {"timestamp": 12},
        "names an item that is not accepted": {"item_rows": 0},
    }
    expectations = suites.demand_of_ratings(params)
    verdict = judge_rows(
        judge, expectations, RATING, *faults.values(), {"rating": np.inf}, {"rating": -np.inf}
    )
    assert [verdict.reasons.get(row) for row in range(1 + len(faults))] == [
        None,
        *([reason] for reason in faults),
    ]
    assert verdict.reasons[7] == verdict.reasons[8] == ["rating is not within 0.5 to 5"]
    assert not verdict.failures


def test_column_of_nothing_but_nan_refuses_every_row(judge: Judge, params: Params) -> None:
    verdict = judge_rows(
        judge, suites.demand_of_ratings(params), {**RATING, "rating": np.nan}, {}, {}
    )
    assert len(verdict.reasons) == 3


IMAGE = {
    "sha256": "a",
    "problem": None,
    "width": 64.0,
    "height": 64.0,
    "megapixels": 0.004,
    "mode": "RGB",
    "contrast": 0.2,
    "shown_by": 1,
    "look": None,
}


def test_each_fault_of_an_image_is_refused_with_its_reason(judge: Judge, params: Params) -> None:
    nothing = dict.fromkeys(("width", "height", "megapixels", "mode", "contrast"))
    faults = {
        "does not decode": {"problem": "cut short", **nothing},
        "narrower than 32 pixels": {"width": 31.0},
        "lower than 32 pixels": {"height": 1.0},
        "larger than 25 megapixels": {"megapixels": 25.1, "contrast": None},
        "pixels are stored in a mode that is not known": {"mode": "HSV"},
        "blank": {"contrast": 0.0},
    }
    rows = [{**fault, "sha256": f"fault {n}"} for n, fault in enumerate(faults.values())]
    verdict = judge_rows(judge, suites.demand_of_images(params), IMAGE, *rows)
    assert verdict.reasons == {n: [reason] for n, reason in enumerate(faults, start=1)}
    assert verdict.warnings == {}


def test_what_is_odd_about_images_is_counted_and_not_refused(judge: Judge, params: Params) -> None:
    verdict = judge_rows(
        judge,
        suites.demand_of_images(params),
        {**IMAGE, "look": "00ff"},
        {"shown_by": 2, "sha256": "b"},
        {"shown_by": 0, "look": None},
    )
    assert verdict.is_clean
    assert verdict.warnings == {
        "came with several batches": 2,
        "shown by several items": 1,
        "shown by no item": 1,
        "looks like another one": 2,
    }


ITEM = {"item_id": "i", "batch": 0, "earlier_in_batch": 0, "usable_images": 1, "absent_images": 0}


@pytest.mark.parametrize("policy", ["keep", "quarantine"])
def test_item_without_image_is_kept_or_refused_as_the_parameter_says(
    judge: Judge, params: Params, policy: str
) -> None:
    chosen = params.model_copy(
        update={"data": params.data.model_copy(update={"items_without_image": policy})}
    )
    verdict = judge_rows(
        judge,
        suites.demand_of_items(chosen),
        ITEM,
        {"item_id": "j", "usable_images": 0},
        {"item_id": "k", "earlier_in_batch": 1},
        {"item_id": ""},
        {"item_id": "l", "absent_images": 1},
    )
    refused = {2: ["stands twice in its batch"], 3: ["item_id is empty"]}
    warnings = {"names images that no batch holds": 1}
    if policy == "quarantine":
        assert verdict.reasons == {1: ["has no usable image"], **refused}
        assert verdict.warnings == warnings
    else:
        assert verdict.reasons == refused
        assert verdict.warnings == {"has no usable image": 1, **warnings}


def test_empty_tables_fail_as_a_whole(judge: Judge, params: Params) -> None:
    nothing = pd.DataFrame({"user_id": [], "item_id": [], "sha256": [], "ratings": []})
    demands = {
        "min_ratings": suites.demand_of_accepted_ratings(params),
        "min_items": suites.demand_of_accepted_items(params),
        "min_images": suites.demand_of_accepted_images(params),
    }
    for name, expectations in demands.items():
        verdict = judge.judge(f"empty_{name}", nothing, expectations, [])
        assert name in verdict.failures[0][0]
        assert not verdict.is_clean


def test_share_over_its_budget_is_refused_and_one_that_equals_it_is_not(judge: Judge) -> None:
    shares = pd.DataFrame({"table": ["a", "b"], "share": [0.05, 0.0501], "budget": [0.05, 0.05]})
    verdict: Judgement = judge.judge("shares", shares, suites.demand_of_shares(), ["table"])
    assert list(verdict.reasons) == [1]


def test_drift_over_its_limit_is_refused(judge: Judge, params: Params) -> None:
    table = pd.DataFrame({"batch": ["x", "y"], "feature": "rating", "psi": [0.5, 0.51]})
    verdict = judge.judge("psi", table, suites.demand_of_drift(params), ["batch", "feature"])
    assert list(verdict.reasons) == [1]

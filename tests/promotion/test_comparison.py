import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.errors import CorruptFileError, DataError
from components.models.bundle import read_digest
from components.promotion.comparison import Comparison, compare


@pytest.fixture
def rungs(make_bundle) -> dict[str, Path]:
    return {"mean": make_bundle("ladder/mean", 2.0, family="mean")}


def test_rmse_and_differences_are_those_of_the_predictions(make_bundle, rungs, test_rows, gate):
    champion = make_bundle("champion", 3.5)
    found = compare(make_bundle("candidate", 3.75), champion, rungs, test_rows, gate)
    assert found.candidate.rmse.value == pytest.approx(0.25)
    assert found.champion is not None
    assert found.champion.rmse.value == pytest.approx(0.5)
    assert found.difference is not None
    assert found.difference.value == pytest.approx(-0.25)
    assert found.ladder["mean"].score.rmse.value == pytest.approx(2.0)
    assert found.ladder["mean"].difference.value == pytest.approx(-1.75)
    assert (found.rows, found.users) == (48, 8)
    assert found.champion.digest == read_digest(champion)


def test_first_candidate_has_no_champion_to_differ_from(make_bundle, rungs, test_rows, gate):
    found = compare(make_bundle("candidate"), None, rungs, test_rows, gate)
    assert found.champion is None
    assert found.difference is None
    assert not found.is_equal


def test_rows_that_the_champion_learnt_are_left_out_and_counted(
    make_bundle, rungs, test_rows, gate
):
    champion = make_bundle("champion", learnt=[("u0", "i0"), ("u0", "i3"), ("u9", "i1")])
    found = compare(make_bundle("candidate"), champion, rungs, test_rows, gate)
    assert found.learnt_by_champion == 2
    assert found.rows == 46


def test_rows_that_the_candidate_learnt_are_no_test_for_it_either(
    make_bundle, rungs, test_rows, gate
):
    candidate = make_bundle("candidate", learnt=[("u1", "i1")])
    champion = make_bundle("champion", learnt=[("u1", "i1"), ("u1", "i2")])
    found = compare(candidate, champion, rungs, test_rows, gate)
    assert found.learnt_by_candidate == 1
    assert found.learnt_by_champion == 2
    assert found.rows == 46


def test_pairs_of_unknown_users_and_items_are_not_taken_for_learnt(make_bundle, rungs, gate):
    rows = pd.DataFrame(
        {"user_id": ["nobody"], "item_id": ["nothing"], "rating": [4.0], "timestamp": [5]}
    )
    found = compare(make_bundle("candidate"), make_bundle("champion"), rungs, rows, gate)
    assert (found.rows, found.learnt_by_champion, found.learnt_by_candidate) == (1, 0, 0)


def test_order_and_index_of_the_rows_do_not_matter(make_bundle, rungs, test_rows, gate):
    candidate, champion = make_bundle("candidate", step=0.3), make_bundle("champion", step=0.1)
    shuffled = test_rows.sample(frac=1, random_state=3)
    one = compare(candidate, champion, rungs, test_rows, gate)
    assert compare(candidate, champion, rungs, shuffled, gate) == one


def test_same_bundle_is_recognised_by_its_digest(make_bundle, rungs, test_rows, gate):
    found = compare(make_bundle("one"), make_bundle("two"), rungs, test_rows, gate)
    assert found.is_equal
    assert found.difference is not None
    assert (found.difference.low, found.difference.high) == (0, 0)


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_counted_though_ratings_are_clipped(
    make_bundle, rungs, test_rows, gate, weight
):
    found = compare(make_bundle("candidate", weight), None, rungs, test_rows, gate)
    assert found.candidate.non_finite >= 1


def test_without_rows_every_number_is_nan_and_nothing_breaks(make_bundle, rungs, gate):
    empty = pd.DataFrame({"user_id": [], "item_id": [], "rating": [], "timestamp": []})
    found = compare(make_bundle("candidate"), make_bundle("champion"), rungs, empty, gate)
    assert found.rows == found.users == 0
    assert math.isnan(found.candidate.rmse.value)


def test_comparison_survives_json_with_numbers_that_are_not_finite(
    make_bundle, rungs, test_rows, gate
):
    found = compare(make_bundle("one", math.nan), make_bundle("two"), rungs, test_rows, gate)
    text = json.dumps(found.to_json(), allow_nan=False)
    again = Comparison.from_json(json.loads(text))
    assert math.isnan(again.candidate.rmse.value)
    assert json.dumps(again.to_json()) == text


def test_finite_comparison_reads_back_equal(make_bundle, rungs, test_rows, gate):
    found = compare(make_bundle("one", 3.5), make_bundle("two"), rungs, test_rows, gate)
    assert Comparison.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("content", [{}, [], {"rows": 3}, None])
def test_what_is_no_comparison_is_refused(content):
    with pytest.raises(CorruptFileError, match="compare again"):
        Comparison.from_json(content)


def test_changed_bundle_is_refused(make_bundle, test_rows, gate):
    candidate = make_bundle("candidate")
    weights = candidate / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"weights\.safetensors is changed"):
        compare(candidate, None, {}, test_rows, gate)


def test_rating_that_is_no_number_is_refused(make_bundle, test_rows, gate):
    test_rows.loc[3, "rating"] = np.nan
    with pytest.raises(DataError, match="1 of 48 test ratings"):
        compare(make_bundle("candidate"), None, {}, test_rows, gate)


def test_missing_column_is_named(make_bundle, test_rows, gate):
    with pytest.raises(DataError, match="'item_id'"):
        compare(make_bundle("candidate"), None, {}, test_rows.drop(columns="item_id"), gate)


def test_better_by_every_user_has_its_interval_below_zero(make_bundle, test_rows, gate):
    strict = gate.model_copy(update={"level": 0.99, "bootstrap": 1000})
    noise = np.random.default_rng(0).normal(0, 0.4, len(test_rows))
    rows = test_rows.assign(rating=test_rows["rating"] + noise)
    candidate, champion = make_bundle("candidate", 4.0), make_bundle("champion", 3.0)
    found = compare(candidate, champion, {}, rows, strict)
    assert found.difference is not None
    assert found.difference.low < found.difference.value < found.difference.high < 0


def test_slices_hold_both_models_and_their_difference_where_each_row_belongs(
    make_bundle, test_rows, gate
):
    learnt = [("u0", "i0"), ("someone", "i1")]
    candidate = make_bundle("candidate", 3.75, learnt=learnt)
    found = compare(candidate, make_bundle("champion", 3.5), {}, test_rows, gate)
    slices = found.slices
    # The pair (u0, i0) was learnt, so it is no test; u1 to u7 are cold, i2 to i5 are.
    assert slices["cold_user"].rows == 42
    assert slices["cold_item"].rows == 32
    assert slices["warm"].rows == 1
    assert slices["early"].rows + slices["late"].rows == found.rows == 47
    late = slices["late"]
    assert late.champion is not None
    assert late.difference is not None
    assert late.candidate.value == pytest.approx(0.25)
    assert late.difference.value == pytest.approx(late.candidate.value - late.champion.value)
    assert (late.rows, late.users) == (18, 3)  # the middle row is u4's, and so earlier
    assert late.floor == pytest.approx(late.difference.low, abs=0.01)
    assert slices["warm"].floor is not None
    assert math.isnan(slices["warm"].floor)  # too small to be judged


def test_first_candidate_has_slices_of_its_own(make_bundle, rungs, test_rows, gate):
    found = compare(make_bundle("candidate"), None, rungs, test_rows, gate)
    assert found.slices["late"].candidate.value == pytest.approx(1.0)
    assert found.slices["late"].champion is None
    assert Comparison.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_prediction_that_is_no_number_leaves_its_slices_without_one(make_bundle, test_rows, gate):
    found = compare(make_bundle("one", math.nan), make_bundle("two"), {}, test_rows, gate)
    for part in found.slices.values():
        assert part.difference is not None
        assert math.isnan(part.candidate.value)
        assert math.isnan(part.difference.high)
        assert part.champion is not None
        assert math.isfinite(part.champion.value)


def test_weights_of_the_served_bundle_must_be_numbers_too(make_bundle, test_rows, gate):
    served = make_bundle("served", math.nan)
    found = compare(make_bundle("candidate"), None, {}, test_rows, gate, served=served)
    assert found.candidate.non_finite == 1
    assert found.candidate.rmse.value == pytest.approx(1.0)


def test_comparison_from_before_slices_were_compared_is_read(make_bundle, test_rows, gate):
    content = compare(make_bundle("candidate"), None, {}, test_rows, gate).to_json()
    del content["slices"]
    assert Comparison.from_json(content).slices == {}

import json
import math

import pytest

from components.contest.table import to_frame, to_json


def test_families_are_ranked_with_their_seeds_together(make_contest):
    contest = make_contest(mean=0.8, hybrid=0.2, biases=0.4)
    assert [place.standing.name for place in contest.places] == ["hybrid", "biases", "mean"]
    best = contest.places[0]
    assert best.standing.rmse.value == pytest.approx(0.2, rel=0.1)
    assert best.standing.seeds == 2
    assert best.standing.gain.high < 0
    assert best.seconds == pytest.approx(0.8)


def test_parts_are_measured_for_each_family_and_an_empty_one_is_no_number(make_contest):
    warm, cold, empty = make_contest(hybrid=0.2, mean=0.8).slices
    assert (warm.rows, cold.rows, empty.rows) == (150, 150, 0)
    assert warm.rmse["hybrid"] < warm.rmse["mean"]
    assert math.isnan(empty.rmse["mean"])


def test_table_has_a_row_a_family_and_every_number(make_contest):
    frame = to_frame(make_contest(hybrid=0.2, mean=0.8).places)
    assert frame["family"].tolist() == ["hybrid", "mean"]
    assert (frame["rmse_low"] < frame["rmse"]).all()
    assert {"spread", "gain_high", "mae", "ndcg", "map", "novelty", "seconds", "bytes"} < set(frame)


def test_json_holds_no_number_that_is_none(make_contest):
    content = json.loads(json.dumps(to_json(make_contest(hybrid=0.2, mean=0.8)), allow_nan=False))
    assert content["places"][0]["family"] == "hybrid"
    assert content["places"][0]["diversity"] is None
    assert content["slices"][2]["rmse"] == {"hybrid": None, "mean": None}
    assert content["inputs"]["test"] == "0" * 64


def test_single_family_has_neither_rival_nor_gain(make_contest):
    (place,) = make_contest(biases=0.4).places
    assert (place.standing.rival, place.standing.gain) == (None, None)

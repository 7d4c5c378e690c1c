"""Models with several seeds on the same rows."""

import math
import statistics
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.contest import rank_models
from components.evaluation.measurement import Truth
from components.params import Evaluate
from components.statistics import bootstrap_rmse, paired_bootstrap

EVALUATE = Evaluate(k=5, relevant_from=4, sampled_users=10, bootstrap=200, level=0.9, seed=0)
DRAWN = {"draws": 200, "level": 0.9, "seed": 0}


def draw(seed: int = 0, rows: int = 200) -> tuple[Truth, np.random.Generator]:
    generator = np.random.default_rng(seed)
    ratings_N = generator.uniform(1, 5, rows).astype(np.float32)
    return Truth(generator.integers(0, 30, rows), ratings_N), generator


def miss(truth: Truth, generator: np.random.Generator, by: float) -> np.ndarray:
    return (truth.ratings_N + generator.normal(0, by, len(truth.ratings_N))).astype(np.float32)


def test_best_mean_over_seeds_stands_first_and_its_rival_is_the_second() -> None:
    truth, generator = draw()
    predictions = {
        "poor": [miss(truth, generator, 1.0)],
        "good": [miss(truth, generator, 0.5) for _ in range(3)],
        "fair": [miss(truth, generator, 0.7) for _ in range(2)],
    }
    standings = rank_models(truth, predictions, EVALUATE)
    assert [one.name for one in standings] == ["good", "fair", "poor"]
    assert [one.rival for one in standings] == ["fair", "good", "good"]
    assert [one.seeds for one in standings] == [3, 2, 1]
    assert standings[0].gain is not None
    assert standings[0].gain.high < 0


def test_numbers_are_means_over_the_seeds_and_the_spread_their_standard_deviation() -> None:
    truth, generator = draw(1)
    runs = [miss(truth, generator, 0.5) for _ in range(4)]
    (one,) = rank_models(truth, {"only": runs}, EVALUATE)
    errors = [np.sqrt(np.mean((run - truth.ratings_N) ** 2)) for run in runs]
    assert one.rmse.value == pytest.approx(np.mean(errors), rel=1e-5)
    assert one.spread == pytest.approx(statistics.stdev(float(e) for e in errors), rel=1e-3)
    assert one.mae == pytest.approx(
        np.mean([np.abs(r - truth.ratings_N).mean() for r in runs]), rel=1e-5
    )
    assert (one.rival, one.gain) == (None, None)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_seed_each_agrees_with_the_intervals_of_a_pair(seed: int) -> None:
    truth, generator = draw(seed)
    a, b = miss(truth, generator, 0.5), miss(truth, generator, 0.9)
    found = {one.name: one for one in rank_models(truth, {"a": [a], "b": [b]}, EVALUATE, "b")}
    errors_a, errors_b = ((truth.ratings_N.astype(np.float64) - run) ** 2 for run in (a, b))
    alone = bootstrap_rmse(truth.users_N, errors_a, **DRAWN)
    paired = paired_bootstrap(truth.users_N, errors_a, errors_b, **DRAWN)
    gain = found["a"].gain
    assert gain is not None
    assert astuple(found["a"].rmse) == pytest.approx(astuple(alone))
    assert astuple(gain) == pytest.approx(astuple(paired))
    assert found["b"].gain is None
    assert found["a"].spread is None


def test_model_that_is_not_finite_stands_last_and_spoils_no_other() -> None:
    truth, generator = draw(2)
    fine = miss(truth, generator, 0.5)
    broken = fine.copy()
    broken[3] = np.inf
    standings = rank_models(truth, {"broken": [fine, broken], "fine": [fine]}, EVALUATE)
    assert [one.name for one in standings] == ["fine", "broken"]
    assert math.isfinite(standings[0].rmse.value)
    assert math.isnan(standings[1].rmse.value)
    assert standings[0].gain is not None
    assert math.isnan(standings[0].gain.value)


def test_equal_models_stand_by_name_and_gain_nothing() -> None:
    truth, generator = draw(3)
    run = miss(truth, generator, 0.5)
    standings = rank_models(truth, {"b": [run], "a": [run]}, EVALUATE)
    assert [one.name for one in standings] == ["a", "b"]
    assert standings[0].gain is not None
    assert (standings[0].gain.low, standings[0].gain.high) == (0, 0)


def test_model_without_predictions_and_unknown_reference_are_refused() -> None:
    truth, generator = draw(4)
    with pytest.raises(ValueError, match="idle has no predictions"):
        rank_models(truth, {"idle": []}, EVALUATE)
    with pytest.raises(KeyError, match="nobody"):
        rank_models(truth, {"a": [miss(truth, generator, 1)]}, EVALUATE, "nobody")

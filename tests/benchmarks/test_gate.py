"""The gate on simulated retrainings whose truth is known, from bundles on disk to the verdict."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.gate import PARAMS, SITUATIONS, WORLDS, simulate, wilson
from components.params import Gate, load_params


@pytest.fixture
def policy() -> Gate:
    """The policy that is shipped."""
    return load_params(PARAMS).gate


def decide(gate: Gate, situation: str, retrainings: int) -> Counter[str]:
    return Counter(v.decision for v in simulate(gate, SITUATIONS[situation], retrainings, 60))


def test_equal_candidates_are_hardly_ever_promoted(policy: Gate):
    quick = policy.model_copy(update={"bootstrap": 400})
    # 2.5 % by design; more than 5 of 50 would happen once in 700 times.
    assert decide(quick, "equal", 50)["promote"] <= 5


def test_clearly_better_candidates_are_promoted_and_worse_ones_never(policy: Gate):
    quick = policy.model_copy(update={"bootstrap": 400})
    assert decide(quick, "better", 8)["promote"] >= 7
    assert decide(quick, "worse", 8) == {"reject": 8}


@pytest.mark.torture
def test_at_most_five_percent_of_200_equal_candidates_are_promoted(policy: Gate):
    counts = decide(policy, "equal", 200)
    assert sum(counts.values()) == 200
    assert counts["promote"] / 200 <= 0.05


@pytest.mark.parametrize("name", WORLDS)
def test_worlds_of_the_interval_table_hold_two_equally_good_models(name: str):
    _, a, b = WORLDS[name].draw(100_000, np.random.default_rng(0))
    assert a.mean() == pytest.approx(b.mean(), rel=0.02)


def test_interval_of_a_share_is_wilsons():
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)

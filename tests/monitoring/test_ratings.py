import numpy as np
import pytest

from components.monitoring.checks import judge
from components.monitoring.ratings import describe, find_shift, rank
from components.monitoring.reference import Rated
from tests.monitoring.making import rate


def state(online: Rated, promised: Rated) -> str:
    return judge([find_shift(online, promised, least=0.02, draws=1000, seed=0)], 0.01)[0].state


@pytest.mark.parametrize("shift", [-0.8, 0.8])
def test_people_who_rate_higher_or_lower_than_predicted_are_found(shift: float):
    promised = rate(0, users=400, rows=4000)
    assert state(rate(1, rows=500, shift=shift), promised) == "alarm"


def test_tastes_that_scatter_more_are_found():
    assert state(rate(1, users=500, rows=2000, noise=1.8), rate(0, users=400, rows=4000)) == "alarm"


@pytest.mark.parametrize("changed", [{}, {"liked": 0.8}, {"noise": 0.5}])
def test_neither_chance_nor_good_lists_nor_a_better_model_is_drift(changed: dict[str, float]):
    promised = rate(0, users=400, rows=4000)
    assert state(rate(1, rows=500, **changed), promised) == "quiet"  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
def test_lists_above_nearly_all_of_a_small_test_are_no_drift(seed: int):
    promised = rate(10 + seed, users=60, rows=480)
    assert state(rate(seed, users=60, rows=1000, liked=0.9), promised) == "quiet"


def test_good_lists_change_ratings_as_they_are_which_is_told_and_not_judged():
    promised = rate(0, users=400, rows=4000)
    usual, liked = describe(rate(1, rows=500), promised), describe(rate(1, liked=0.8), promised)
    assert liked.mean > usual.mean + 0.4
    assert liked.psi > 0.2 > usual.psi
    assert usual.learnt == pytest.approx(promised.ratings_N.mean())


def test_psi_of_a_fine_scale_is_of_its_deciles():
    generator = np.random.default_rng(0)
    sides = [Rated(np.arange(900), generator.normal(m, 1, 900), np.zeros(900)) for m in (0, 0, 1)]
    assert describe(sides[1], sides[0]).psi < 0.1
    assert describe(sides[2], sides[0]).psi > 0.5


def test_rank_is_among_ratings_of_like_predictions_and_ties_halve():
    users = np.zeros(400, int)
    predicted = np.repeat([1.0, 5.0], 200)
    among = Rated(users, np.r_[np.tile([1.0, 2.0], 100), np.tile([4.0, 5.0], 100)], predicted)
    online = Rated(users[:3], np.array([2.0, 2.0, 4.0]), np.array([1.0, 5.0, 5.0]))
    assert rank(online, among) == pytest.approx([0.75, 0.0, 0.25])

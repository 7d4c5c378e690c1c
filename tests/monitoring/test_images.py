import numpy as np
import pytest

from components.monitoring.checks import judge
from components.monitoring.images import find_shift


def draw(seed: int, rows: int, shift: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    looks = generator.normal(0, 1, (rows, 12)) + np.arange(12) / 4
    looks[:, 0] += 6 * shift
    return looks.astype(np.float32)


def measure_slowly(new: np.ndarray, old: np.ndarray) -> float:
    new, old = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (new, old))

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([[np.linalg.norm(x - y) for y in b] for x in a]))

    between = 2 * mean(new, old)
    return (between - mean(new, new) - mean(old, old)) / between


def test_value_is_the_energy_distance_between_looks_of_length_one():
    new, old = draw(1, 9, 0.5), draw(2, 14)
    found = find_shift(new, old, least=0.0, draws=50, seed=0)
    assert found.value == pytest.approx(measure_slowly(new, old), abs=1e-5)
    assert (found.lately, found.before) == (9, 14)
    assert np.all(found.unchanged_T > -1e-6)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, "quiet"), (0.5, "alarm")])
def test_other_looks_are_an_alarm_and_like_ones_are_not(shift: float, expected: str):
    found = find_shift(draw(1, 60, shift), draw(2, 200), least=0.0, draws=1000, seed=0)
    assert judge([found], 0.01)[0].state == expected


def test_pictures_that_are_all_the_same_lie_nowhere_apart():
    black = np.zeros((5, 4), np.float32)
    found = find_shift(black, black, least=0.0, draws=100, seed=0)
    assert found.value == 0
    assert judge([found], 0.2)[0].state == "quiet"

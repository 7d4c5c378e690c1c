"""The family `gru`: the user's latest ratings through a gated recurrent unit.

Dimension letters as in `components.models.sequence`.
"""

from typing import ClassVar

import numpy as np

from components.models.catalogue import Floats
from components.models.protocol import Weights
from components.models.sequence import SequenceRecommender, Windows, fade, multiply_each


class Gru(SequenceRecommender):
    """Hidasi et al. (2016), "Session-based recommendations with recurrent neural networks", for
    ratings instead of clicks, over item factors and images.

    The state fades until the question is asked, each part at a rate of its own, as in Che et al.
    (2018), "Recurrent neural networks for multivariate time series with missing values".
    """

    family: ClassVar[str] = "gru"

    def _make_states(self, windows: Windows, facts_BLT: Floats) -> Floats:
        weights, scales_F = self._weights, self._scales_F
        read_BLT = np.concatenate([facts_BLT, fade(windows.gaps_BL, scales_F)], axis=2)
        read_BL3H = np.matmul(read_BLT, weights["gru_in"]) + weights["gru_in_bias"]
        states_BH = np.zeros((len(facts_BLT), weights["gru_back"].shape[0]), np.float32)
        for place in range(int(windows.counts_B.max(initial=0))):
            stepped_BH = _step(states_BH, read_BL3H[:, place], weights)
            is_rated_B1 = place < windows.counts_B[:, None]
            states_BH = np.where(is_rated_B1, stepped_BH, states_BH)
        ages_B = _last_ages(windows)
        kept_BH = multiply_each(fade(ages_B, scales_F), weights["fading"])
        return states_BH * _sigmoid(kept_BH + weights["fading_bias"])


def _step(states_BH: Floats, read_B3H: Floats, weights: Weights) -> Floats:
    """Return the next states: Cho et al. (2014), with the reset gate after the product."""
    back_B3H = multiply_each(states_BH, weights["gru_back"]) + weights["gru_back_bias"]
    width = states_BH.shape[1]
    gates_B2H = _sigmoid(read_B3H[:, : 2 * width] + back_B3H[:, : 2 * width])
    reset_BH, update_BH = gates_B2H[:, :width], gates_B2H[:, width:]
    new_BH = np.tanh(read_B3H[:, 2 * width :] + reset_BH * back_B3H[:, 2 * width :])
    stepped_BH: Floats = new_BH + update_BH * (states_BH - new_BH)
    return stepped_BH


def _last_ages(windows: Windows) -> Floats:
    """Return the seconds from each asker's last rating to the question; infinite without one."""
    last_B1 = np.maximum(windows.counts_B - 1, 0)[:, None]
    ages_B = np.take_along_axis(windows.ages(), last_B1, axis=1)[:, 0]
    return np.where(windows.counts_B > 0, ages_B, np.float32(np.inf))


def _sigmoid(x: Floats) -> Floats:
    # Through tanh, for exp overflows.
    half: Floats = np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * x))
    return half

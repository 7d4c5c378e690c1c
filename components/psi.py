"""The population stability index over counts in bins, of many samples at once.

T samples, B bins
"""

import numpy as np

from components.statistics import Reals

# Added to each bin, so that an empty one is no infinity (Jeffreys' prior).
_PSEUDO_COUNT = 0.5


def psi(expected_TB: Reals, actual_TB: Reals) -> Reals:
    """Return Σ (a − e) ln(a / e) over the shares a and e of each row; 0 where they are alike.

    See Siddiqi (2006), "Credit Risk Scorecards".
    """
    e, a = _shares(expected_TB), _shares(actual_TB)
    index: Reals = np.sum((a - e) * np.log(a / e), axis=-1)
    return index


def _shares(counts_TB: Reals) -> Reals:
    filled = counts_TB + _PSEUDO_COUNT
    shares: Reals = filled / filled.sum(-1, keepdims=True)
    return shares

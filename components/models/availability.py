"""Which items may be recommended: the column `available` of the items, where there is one.

All are, unless a cell says no. Ingest lets nothing into the column but what is read here.
"""

import numpy as np
import pandas as pd

from components.models.catalogue import Bools

AVAILABLE = "available"

_YES = ("true", "t", "yes", "y", "1")
_NO = ("false", "f", "no", "n", "0")
WORDS = "true nor false"


def says_nothing_else(text: str) -> bool:
    """Whether a cell says yes or no, in any case of letters, or nothing at all."""
    return text.strip().lower() in ("", *_YES, *_NO)


def read_available(items: pd.DataFrame) -> Bools:
    """Return which of I items may be recommended."""
    if AVAILABLE not in items:
        return np.ones(len(items), bool)
    return np.array([str(cell).strip().lower() not in _NO for cell in items[AVAILABLE]], bool)

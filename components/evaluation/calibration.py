"""Does a predicted 4.0 turn out as 4.0? Mean true rating by predicted rating."""

import numpy as np
import pandas as pd

from components.models.catalogue import Floats


def calibrate(truth_N: Floats, predicted_N: Floats, bins: int) -> pd.DataFrame:
    """Return predicted (mean), observed (mean) and rows, in bins of equally many rows.

    The reliability curve of Murphy and Winkler (1977), "Reliability of subjective probability
    forecasts", for means instead of frequencies. Rows with the same prediction share a bin; those
    whose prediction is not finite are in none.
    """
    frame = pd.DataFrame(
        {"predicted": predicted_N.astype(np.float64), "observed": truth_N.astype(np.float64)}
    )
    frame = frame[np.isfinite(frame["predicted"])]
    if frame.empty:
        return pd.DataFrame({"predicted": [], "observed": [], "rows": np.zeros(0, np.int64)})
    bin_N = pd.qcut(frame["predicted"], bins, labels=False, duplicates="drop").fillna(0)
    grouped = frame.groupby(bin_N)
    table = grouped.mean()
    table["rows"] = grouped.size()
    return table.reset_index(drop=True)

"""Lists whose items do not all look alike: maximal marginal relevance over looks.

Dimension letters as in `components.models`; N items to choose from.
"""

import numpy as np

from components.models.catalogue import Floats, Ints


def diversify(relevances_N: Floats, looks_NE: Floats, k: int, diversity: float) -> Ints:
    """Return the rows of k items, in the order in which they were picked.

    Each pick is the best by (1 − d) relevance − d similarity, where similarity is the cosine to
    what is most alike among those picked before, and relevance is scaled to 0 to 1 over the N
    items: d = 0 is the order of relevance, at 1 only the first pick goes by it. Rows of looks have
    length one, or are zero for an item without an image, which is like no other. Of equals the
    first is picked. Carbonell and Goldstein (1998), "The use of MMR, diversity-based reranking for
    reordering documents and producing summaries".
    """
    count = len(relevances_N)
    span = float(np.ptp(relevances_N)) if count else 0.0
    scaled_N = (relevances_N - relevances_N.min()) / span if span else np.ones(count, np.float32)
    gains_N = (1 - diversity) * scaled_N
    nearest_N = np.full(count, -1.0, np.float32)
    picked = [int(np.argmax(scaled_N))] if count and k else []
    while picked and len(picked) < min(k, count):
        np.maximum(nearest_N, looks_NE @ looks_NE[picked[-1]], out=nearest_N)
        worth_N = gains_N - diversity * nearest_N
        worth_N[picked] = -np.inf
        picked.append(int(np.argmax(worth_N)))
    return np.array(picked, np.int64)

"""How an item's several images (views, frames) become one embedding, in training and after it.

Dimension letters: V images of one item, E width of an embedding.
"""

import numpy as np

from components.models.catalogue import Floats


def pool_images(embeddings_VE: Floats, query_E: Floats | None = None) -> Floats:
    """Return the embedding (E,) of an item from those of its V images, of which there is one.

    Without a query their mean; with one their sum weighted by softmax(⟨f_v, query⟩ / √E), after
    Ilse, Tomczak and Welling (2018), "Attention-based deep multiple instance learning", eq. 7,
    with a linear score. A query of zeros gives the mean; a single image is always itself.
    """
    if query_E is None:
        mean_E: Floats = embeddings_VE.mean(0)
        return mean_E
    scores_V = embeddings_VE @ query_E / np.sqrt(np.float32(len(query_E)))
    weights_V = np.exp(scores_V - scores_V.max())
    pooled_E: Floats = (weights_V / weights_V.sum()) @ embeddings_VE
    return pooled_E.astype(np.float32)

"""What is learnt of images before any rating: their mean look and the directions they vary in.

Dimension letters: I items with an image, E width of an embedding, K image factors.
"""

import numpy as np

from components.models.catalogue import Catalogue, Floats

_LEAST_SPREAD = 1e-6


def fit_looks(catalogue: Catalogue, factors: int) -> tuple[Floats, Floats]:
    """Return (mean (E,), projection (E, K)) such that (f − mean) @ projection has unit variance.

    Standardises each dimension, then takes the first K principal components (Pearson 1901),
    fitted on the items that have an image. Directions in which nothing varies are zeros.
    """
    width = catalogue.embeddings_IE.shape[1]
    known_IE = catalogue.embeddings_IE[catalogue.has_image_I].astype(np.float64)
    mean_E, projection_EK = np.zeros(width), np.zeros((width, factors))
    if len(known_IE) > 1:
        mean_E = known_IE.mean(0)
        spread_E = np.maximum(known_IE.std(0), _LEAST_SPREAD)
        standard_IE = (known_IE - mean_E) / spread_E
        values_E, vectors_EE = np.linalg.eigh(standard_IE.T @ standard_IE / len(known_IE))
        found = [k for k in range(1, min(factors, width) + 1) if values_E[-k] > _LEAST_SPREAD]
        for column, k in enumerate(found):
            vector_E = _with_fixed_sign(vectors_EE[:, -k])
            projection_EK[:, column] = vector_E / spread_E / np.sqrt(values_E[-k])
    return mean_E.astype(np.float32), projection_EK.astype(np.float32)


def _with_fixed_sign(vector_E: np.ndarray) -> np.ndarray:
    # Which of ±v an eigensolver returns is chance; the largest entry decides.
    return vector_E * np.sign(vector_E[np.argmax(np.abs(vector_E))])

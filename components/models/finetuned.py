"""The end-to-end family: factors and images, seen by a CNN that was fine-tuned on the ratings."""

from typing import ClassVar

import numpy as np

from components.models.catalogue import Catalogue, Floats, UserBook
from components.models.hybrid import project_looks
from components.models.mf import MatrixFactorization
from components.models.protocol import Side, Weights


class Finetuned(MatrixFactorization):
    """μ + b_u + b_i + ⟨p_u, q_i + W f_i⟩ with a linear term of f_i too, where f_i is what the
    fine-tuned CNN sees; He and McAuley (2016), "VBPR", eq. 4, for ratings, and end to end as in
    Kang et al. (2017), "Visually-aware fashion recommendation and design with GANs" (DVBPR).

    Every item vector carries its bias as a last column (C = D + 1). An item that nobody rated has
    a learnt prior for (q_i, b_i), so its image speaks for it. A user's side is solved for from the
    history, as in `MatrixFactorization`.
    """

    family: ClassVar[str] = "finetuned"

    def __init__(self, weights: Weights, catalogue: Catalogue, users: UserBook) -> None:
        self._image = weights
        rated_I = np.bincount(users.items_N, minlength=len(catalogue)) > 0
        ids_IC = np.where(rated_I[:, None], weights["item"], weights["new_item"])
        rows_IC = ids_IC + self._look(catalogue.embeddings_IE, catalogue.has_image_I)
        sides = {"item_bias": rows_IC[:, -1].copy(), "item_vectors": rows_IC[:, :-1].copy()}
        super().__init__({**weights, **sides}, catalogue, users)
        self._paths = tuple(
            "factors" if rated else "images" if has_image else "prior"
            for rated, has_image in zip(rated_I, catalogue.has_image_I, strict=True)
        )

    def fold_items(self, embeddings_BE: Floats) -> Side:
        """Return the prior of an item that nobody rated plus what its images say."""
        has_image_B = np.any(embeddings_BE != 0, axis=1)
        rows_BC = self._image["new_item"] + self._look(embeddings_BE, has_image_B)
        paths = tuple("images" if has_image else "prior" for has_image in has_image_B)
        return Side(rows_BC[:, -1].copy(), rows_BC[:, :-1].copy(), paths)

    def _look(self, embeddings_BE: Floats, has_image_B: np.ndarray) -> Floats:
        looks_BK = project_looks(
            embeddings_BE,
            has_image_B,
            self._image["image_mean"],
            self._image["image_projection"],
        )
        says_BC: Floats = looks_BK @ self._image["image"]
        return says_BC

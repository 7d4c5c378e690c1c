"""How each family is learnt, by name: in closed form, or by the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from components.family_params import LookOptions, Section
from components.models.catalogue import Catalogue, Floats, UserBook
from components.models.categories import Categories
from components.models.hybrid import project_looks
from components.models.protocol import Weights
from components.training.attention import AttentionNetwork
from components.training.content import fit_content
from components.training.gru import GruNetwork
from components.training.hybrid import HybridLearner
from components.training.ladder import fit_biases_rung, fit_mean, fit_popularity
from components.training.learner import Learner
from components.training.looks import fit_looks
from components.training.matrix_factorization import MatrixFactorizationLearner
from components.training.pictures import Pictures
from components.training.rules import fit_rules
from components.training.sequence import SequenceLearner
from components.training.svdpp import SvdPlusPlusLearner
from components.training.tensors import Interactions


@dataclass(frozen=True)
class Ground:
    """All that a family in closed form is learnt from."""

    book: UserBook
    catalogue: Catalogue
    statistics: Weights
    options: Any

    def looks(self) -> Floats:
        """Return the items' projected looks (I, K); zeros without an image."""
        return _look(self.catalogue, self.statistics)


@dataclass(frozen=True)
class Setting:
    """All that a learner may begin from; tensors on the device of `interactions`."""

    book: UserBook
    interactions: Interactions
    catalogue: Catalogue
    statistics: Weights
    options: Any
    generator: Generator
    pictures: Pictures | None = None

    def looks(self) -> Tensor:
        """Return the items' projected looks (I, K); zeros without an image."""
        looks_IK = _look(self.catalogue, self.statistics)
        return torch.from_numpy(looks_IK).to(self.interactions.ratings_N.device)

    def categories(self) -> Tensor:
        """Return which categories the items have, centred (I, G)."""
        features_IG = Categories.of(self.catalogue).features()
        return torch.from_numpy(features_IG).to(self.interactions.ratings_N.device)


FITTERS: dict[str, Callable[[Ground], Weights]] = {
    "mean": lambda g: fit_mean(g.book, g.catalogue, g.options),
    "popularity": lambda g: fit_popularity(g.book, g.catalogue, g.options),
    "rules": lambda g: fit_rules(g.book, g.catalogue, g.options),
    "biases": lambda g: fit_biases_rung(g.book, g.catalogue, g.options),
    "content": lambda g: fit_content(g.book, g.looks(), g.options),
}


def _fine_tune(setting: Setting) -> Learner:
    # Here, for only this family needs the encoders and torchvision.
    from components.training.eye import Eye
    from components.training.finetuned import FinetunedLearner

    if setting.pictures is None:
        raise ValueError("the family finetuned learns from pictures, and none were given")
    device = setting.interactions.ratings_N.device.type
    return FinetunedLearner(
        setting.book,
        setting.interactions,
        setting.catalogue,
        setting.statistics,
        Eye(setting.catalogue, setting.pictures, setting.options, device),
        setting.options,
        setting.generator,
    )


def _read_sequences(setting: Setting, network: type[GruNetwork | AttentionNetwork]) -> Learner:
    return SequenceLearner(
        setting.book,
        setting.interactions,
        setting.looks(),
        setting.options,
        network,
        setting.generator,
    )


LEARNERS: dict[str, Callable[[Setting], Learner]] = {
    "mf": lambda s: MatrixFactorizationLearner(s.book, s.interactions, s.options, s.generator),
    "svdpp": lambda s: SvdPlusPlusLearner(s.book, s.interactions, s.options, s.generator),
    "hybrid": lambda s: HybridLearner(
        s.book, s.interactions, s.looks(), s.categories(), s.options, s.generator
    ),
    "gru": lambda s: _read_sequences(s, GruNetwork),
    "sasrec": lambda s: _read_sequences(s, AttentionNetwork),
    "finetuned": _fine_tune,
}


def fit_statistics(catalogue: Catalogue, options: Section) -> Weights:
    """Return the weights that a family takes from the catalogue alone, before any rating."""
    if not isinstance(options, LookOptions):
        return {}
    mean_E, projection_EK = fit_looks(catalogue, options.image_factors)
    return {"image_mean": mean_E, "image_projection": projection_EK}


def _look(catalogue: Catalogue, statistics: Weights) -> Floats:
    return project_looks(
        catalogue.embeddings_IE,
        catalogue.has_image_I,
        statistics["image_mean"],
        statistics["image_projection"],
    )

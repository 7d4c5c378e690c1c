"""The families that learn by the loop, by name."""

import torch
from torch import Generator

from components.models.catalogue import Catalogue, UserBook
from components.models.hybrid import project_looks
from components.models.protocol import Weights
from components.params import Train
from components.training.hybrid import HybridLearner
from components.training.learner import Learner
from components.training.looks import fit_looks
from components.training.matrix_factorization import MatrixFactorizationLearner
from components.training.tensors import Interactions


def fit_statistics(catalogue: Catalogue, train: Train) -> Weights:
    """Return the weights that a family takes from the catalogue alone, before any rating."""
    if train.family != "hybrid":
        return {}
    mean_E, projection_EK = fit_looks(catalogue, train.image_factors)
    return {"image_mean": mean_E, "image_projection": projection_EK}


def build_learner(
    book: UserBook,
    interactions: Interactions,
    catalogue: Catalogue,
    statistics: Weights,
    train: Train,
    generator: Generator,
) -> Learner:
    """Return a learner of `train.family`, at its start, on the device of `interactions`."""
    if train.family == "mf":
        return MatrixFactorizationLearner(book, interactions, train, generator)
    looks_IK = project_looks(
        catalogue.embeddings_IE,
        catalogue.has_image_I,
        statistics["image_mean"],
        statistics["image_projection"],
    )
    device = interactions.ratings_N.device
    return HybridLearner(
        book, interactions, torch.from_numpy(looks_IK).to(device), train, generator
    )

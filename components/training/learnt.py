"""What a fit leaves behind: the weights, and how the model sees."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.models.catalogue import Catalogue
from components.models.protocol import Weights
from components.training.inputs import ImageVectors


class Saveable(Protocol):
    """An encoder as training hands it on: `components.features` opens what it saved."""

    def save(self, folder: Path) -> None:
        """Write the encoder into a folder, whole."""


@dataclass(frozen=True)
class Sight:
    """An encoder of the model's own, and the embedding that it makes of every accepted image."""

    encoder: Saveable
    vectors: ImageVectors


@dataclass(frozen=True)
class Learnt:
    """What a bundle is made of.

    `catalogue` holds the embeddings that the weights were learnt with. `sight` is None where
    those are the ones that the step `embed` made.
    """

    weights: Weights
    catalogue: Catalogue
    sight: Sight | None = None

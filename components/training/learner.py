"""What the loop asks of a family's torch form, and the rows that it hands over."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

from components.models.catalogue import Catalogue
from components.models.protocol import Weights
from components.training.learnt import Sight
from components.training.tensors import Interactions


@dataclass(frozen=True)
class Rows:
    """B pairs whose rating is asked for.

    `own_B` is each pair's place among the training ratings, which must be left out of what it is
    predicted from; None for pairs that were not learnt. Codes may be UNKNOWN then. `times_B` is
    when each is asked for, in seconds; None where nothing that fades counts.
    """

    users_B: Tensor
    items_B: Tensor
    own_B: Tensor | None = None
    times_B: Tensor | None = None


class Learner(Protocol):
    """A family while it learns: an nn.Module with a few more methods."""

    def batches(self, generator: Generator) -> Iterator[Rows]:
        """Yield the learnt rows of one epoch, one step of the optimiser each; `own_B` is given."""

    def rate(self, rows: Rows, generator: Generator | None) -> Tensor:
        """Return B predicted ratings, unclipped; a generator means training, with its dropout."""

    def penalty(self) -> Tensor:
        """Return Σ prior × |θ|² over all parameters: the MAP objective's second part."""

    def export(self) -> Weights:
        """Return the weights that `components.models` answers from."""

    def module(self) -> nn.Module:
        """Return what holds the parameters."""


@runtime_checkable
class Paced(Protocol):
    """A learner whose parameters do not all learn at the same rate."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the optimiser's groups; one without `lr` learns at the family's rate."""


@runtime_checkable
class Seeing(Protocol):
    """A learner that changes how images are seen."""

    def see(self) -> tuple[Catalogue, Sight] | None:
        """Return the catalogue as it is seen now; None if it is seen as it was."""


def shuffle(interactions: Interactions, batches: int, generator: Generator) -> Iterator[Rows]:
    """Yield all learnt rows in random order, in so many batches."""
    order_N = torch.randperm(len(interactions), generator=generator)
    for own_B in order_N.to(interactions.ratings_N.device).chunk(batches):
        yield Rows(
            interactions.users_N[own_B],
            interactions.items_N[own_B],
            own_B,
            interactions.times_N[own_B],
        )


def draw(generator: Generator, share: float, rows: int, device: torch.device) -> Tensor:
    """Return which of B rows are struck, each with probability `share`.

    Drawn on the CPU, so that a run on a GPU draws the same.
    """
    return (torch.rand(rows, generator=generator) < share).to(device)

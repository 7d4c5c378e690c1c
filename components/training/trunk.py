"""An encoder while it learns: its last stages, the rest and every BatchNorm as they were.

Dimension letters: P pictures, S side of the square in pixels, E width of an embedding.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.features.encoders import Encoder, fold_batchnorm, normalise


class Trunk:
    """A network in evaluation mode whose last stages may be learnt.

    BatchNorm keeps the statistics and the scales that it came with: the few distinct pictures of
    a batch would give noisy ones, and an answer, which encodes one picture, must see it as
    training did. Dropout and stochastic depth stay off for the same reason: what varies in
    training is the picture.
    """

    def __init__(self, encoder: Encoder, stages: int, *, bfloat16: bool) -> None:
        learnable = encoder.copy_to_learn()
        self._encoder, self._network, self._bfloat16 = encoder, learnable.network, bfloat16
        parts = split_stages(learnable.network)
        for part in itertools.chain.from_iterable(parts[:-stages]):
            fold_batchnorm(part)
        self._network.to(memory_format=torch.channels_last)
        last = nn.ModuleList(itertools.chain.from_iterable(parts[-stages:]))
        norms = [part for part in last.modules() if isinstance(part, _BatchNorm)]
        kept = {id(tensor) for norm in norms for tensor in norm.parameters()}
        wanted = {id(tensor) for tensor in last.parameters()} - kept
        self.trained = {
            name: tensor for name, tensor in learnable.parameters.items() if id(tensor) in wanted
        }
        for tensor in self.trained.values():
            tensor.requires_grad_(True)

    def encode(self, pixels_PSS3: Tensor) -> Tensor:
        """Return the embeddings (P, E) in float32 of bytes as `preprocessing.prepare` makes them.

        Gradients reach the trained stages; before them no activation is kept.
        """
        device = self._encoder.device
        batch = normalise(pixels_PSS3.to(device, non_blocking=True), self._encoder.preprocessing)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self._bfloat16):
            embeddings: Tensor = self._network(batch)
        return embeddings.flatten(1).float()

    def finish(self) -> Encoder:
        """Return an encoder with what was learnt, as exact and as quick as the one it began as."""
        return self._encoder.replace_weights(dict(self.trained))


def split_stages(network: nn.Module) -> list[list[nn.Module]]:
    """Return the stages of a network, in their order; each is a few modules that hold weights.

    Begins with its children; one that holds more than half of all weights is taken apart into its
    own, until none does or none can be: so it works whatever they are called. A module without a
    matrix (a norm) belongs to the stage before it.
    """
    total = _count(network)
    parts = _children(network)
    while True:
        large = next(
            (n for n, part in enumerate(parts) if 2 * _count(part) > total and _children(part)),
            None,
        )
        if large is None:
            break
        parts[large : large + 1] = _children(parts[large])
    stages: list[list[nn.Module]] = []
    for part in parts:
        if stages and all(tensor.ndim < 2 for tensor in part.parameters()):
            stages[-1].append(part)
        else:
            stages.append([part])
    return stages


def _children(part: nn.Module) -> list[nn.Module]:
    return [child for child in part.children() if _count(child)]


def _count(part: nn.Module) -> int:
    return sum(tensor.numel() for tensor in part.parameters())

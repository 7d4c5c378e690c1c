"""Where a fit stands: everything that its next step depends on, and the average of its steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer


class Average:
    """The exponentially fading average of a module's parameters over its steps.

    Polyak and Juditsky (1992), "Acceleration of stochastic approximation by averaging". It forgets
    where the steps began sooner than `keeps` alone would: the n-th step leaves at most
    n / (n + 3) of it. With `keeps` 0 there is none, and nothing below does anything.
    """

    def __init__(self, module: nn.Module, keeps: float) -> None:
        self._parameters, self._keeps = list(module.parameters()), keeps
        self.tensors = [parameter.detach().clone() for parameter in self._parameters if keeps]
        self.steps = torch.zeros((), dtype=torch.int64)

    def add(self) -> None:
        """Take the parameters in as they stand after a step."""
        self.steps += 1
        keeps = min(self._keeps, int(self.steps) / (int(self.steps) + 3))
        for tensor, parameter in zip(self.tensors, self._parameters, strict=False):
            tensor.lerp_(parameter.detach(), 1 - keeps)

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Let the module answer from the average for the block."""
        stepped = [parameter.data for parameter in self._parameters]
        self.settle()
        try:
            yield
        finally:
            for parameter, tensor in zip(self._parameters, stepped, strict=True):
                parameter.data = tensor

    def settle(self) -> None:
        """Let the module answer from the average from now on."""
        for tensor, parameter in zip(self.tensors, self._parameters, strict=False):
            parameter.data = tensor.clone()


@dataclass(frozen=True)
class State:
    """A module, its optimiser, the average of its steps, and what draws at random."""

    module: nn.Module
    optimizer: Optimizer
    average: Average
    generator: Generator

    def pack(self) -> dict[str, Tensor]:
        """Return every tensor that the next epoch depends on, by name."""
        tensors = {f"module.{name}": tensor for name, tensor in self.module.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
        for index, tensor in enumerate(self.average.tensors):
            tensors[f"average.{index}"] = tensor
        tensors["steps"], tensors["generator"] = self.average.steps, self.generator.get_state()
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def unpack(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `pack` took."""
        self.module.load_state_dict(_part(tensors, "module"))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(tensors, "optimizer").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        for index, tensor in _part(tensors, "average").items():
            self.average.tensors[int(index)].copy_(tensor)
        self.average.steps.copy_(tensors["steps"])
        self.generator.set_state(tensors["generator"])


def _part(tensors: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    start = f"{kind}."
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }

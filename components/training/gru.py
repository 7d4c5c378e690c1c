"""The network of the family `gru` while it learns; `components.models.gru` answers from it.

Dimension letters as in `components.training.questions`, and T facts of a rating, H width of a
state.
"""

import math

import torch
from torch import Generator, Tensor, nn

from components.family_params import Gru
from components.models.protocol import Weights
from components.training.questions import Questions
from components.training.sequence import Network, fade, start
from components.training.timeline import Timeline

_START_OF_FADING = 2.0  # most of a state is kept


class GruNetwork(Network):
    """A gated recurrent unit over a window; its state fades until the question is asked."""

    scales: Tensor

    def __init__(self, facts: int, options: Gru, generator: Generator) -> None:
        super().__init__()
        width, scales = options.width, len(options.scales)
        # Without its own first weights: those come from the generator that all of a process share.
        unset = nn.GRU(facts + scales, width, batch_first=True, device="meta")
        self.gru: nn.GRU = unset.to_empty(device="cpu")
        for parameter in self.gru.parameters():
            spread = 1 / math.sqrt(width) if parameter.dim() > 1 else 0.0
            parameter.data = start(parameter.shape, spread, generator)
        self.fading = nn.Parameter(torch.zeros(scales, width))
        self.fading_bias = nn.Parameter(torch.full((width,), _START_OF_FADING))
        self.register_buffer("scales", torch.tensor(options.scales, dtype=torch.float32))

    def forward(self, facts_WLT: Tensor, questions: Questions, timeline: Timeline) -> Tensor:
        """Return the state that answers each question: (W, Q, H)."""
        gaps_WLF = fade(timeline.gaps_N[questions.places_WL], self.scales)
        # cuDNN knows this unit in single precision everywhere, in bfloat16 not.
        with torch.autocast(facts_WLT.device.type, enabled=False):
            after_WLH = self.gru(torch.cat([facts_WLT.float(), gaps_WLF], dim=2))[0]
        states_WLH = torch.cat([torch.zeros_like(after_WLH[:, :1]), after_WLH], dim=1)
        seen_WQH = questions.seen_WQ[..., None].expand(-1, -1, states_WLH.shape[2])
        ages_WQF = fade(_last_ages(questions, timeline), self.scales)
        kept_WQH = torch.sigmoid(ages_WQF @ self.fading + self.fading_bias)
        return states_WLH.gather(1, seen_WQH) * kept_WQH

    def penalty(self) -> Tensor:
        """Return Σ |w|²; how much of a state is kept to begin with is free."""
        squares = [parameter.square().sum() for parameter in self.gru.parameters()]
        return torch.stack([*squares, self.fading.square().sum()]).sum()

    def export(self) -> Weights:
        """Return the weights by the names that the answering side reads."""
        unit = dict(self.gru.named_parameters())
        tensors = {
            "gru_in": unit["weight_ih_l0"].T,
            "gru_in_bias": unit["bias_ih_l0"],
            "gru_back": unit["weight_hh_l0"].T,
            "gru_back_bias": unit["bias_hh_l0"],
            "fading": self.fading,
            "fading_bias": self.fading_bias,
        }
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


def _last_ages(questions: Questions, timeline: Timeline) -> Tensor:
    """Return the seconds from what each question read last; infinite for never, and for nothing."""
    last_WQ = questions.places_WL.gather(1, (questions.seen_WQ - 1).clamp(min=0))
    ages_WQ = (questions.times_WQ - timeline.times_N[last_WQ]).clamp(min=0).float()
    is_faded_WQ = questions.is_timeless_WQ | (questions.seen_WQ == 0)
    return ages_WQ.masked_fill(is_faded_WQ, math.inf)

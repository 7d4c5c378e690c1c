"""The network of the family `sasrec` while it learns.

What it exports is answered from by `components.models.attention`.

Dimension letters as in `components.training.questions`, and T facts of a rating, H width of a
state, A who asks (questions, or ratings of the window), M heads.
"""

import math

import torch
from torch import Generator, Tensor, nn

from components.family_params import Sasrec
from components.models.protocol import Weights
from components.training.questions import Questions
from components.training.sequence import Network, start
from components.training.timeline import Timeline

_START_OF_ASKING = 0.1
_START_OF_SILENCE = 2.0
_START_OF_RECENCY = 2.0


class Block(nn.Module):
    """Attention with a bias by distance and a silent place, then two layers place by place.

    The silent place holds zeros: the fewer ratings there are, the more of the attention it draws,
    as a prior draws a mean of few towards zero.
    """

    def __init__(self, options: Sasrec, generator: Generator) -> None:
        super().__init__()
        width, heads = options.width, options.heads
        spread = 1 / math.sqrt(width)
        self.heads = heads

        def table(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(start((rows, columns), spread, generator))

        self.query, self.key, self.value = (table(width, width) for _ in range(3))
        self.mix = table(width, width)
        self.inner, self.outer = table(width, 2 * width), table(2 * width, width)
        self.inner_bias = nn.Parameter(torch.zeros(2 * width))
        self.outer_bias = nn.Parameter(torch.zeros(width))
        self.recency = nn.Parameter(torch.full((heads,), _START_OF_RECENCY))
        self.distance = nn.Parameter(torch.zeros(heads))
        self.silence = nn.Parameter(torch.full((heads,), _START_OF_SILENCE))

    def forward(
        self, asking_WAH: Tensor, read_WLH: Tensor, recency_WAL: Tensor, ranks_WAL: Tensor
    ) -> Tensor:
        """Return what those who ask are, after they have read: (W, A, H).

        `ranks_WAL` counts what lies between; what it says is below zero must not be read.
        """
        query_WMAH = self._split(asking_WAH @ self.query)
        key_WMLH = self._split(read_WLH @ self.key)
        value_WMLH = self._split(read_WLH @ self.value)
        scores_WMAL = query_WMAH @ key_WMLH.transpose(2, 3) / math.sqrt(query_WMAH.shape[3])
        distance_WAL = torch.log1p(ranks_WAL.clamp(min=0).float())
        scores_WMAL = scores_WMAL + recency_WAL[:, None] * self.recency[:, None, None]
        scores_WMAL = scores_WMAL - distance_WAL[:, None] * self.distance[:, None, None]
        scores_WMAL = scores_WMAL.float().masked_fill(ranks_WAL[:, None] < 0, -math.inf)
        silence_WMA1 = self.silence[None, :, None, None].expand(*scores_WMAL.shape[:3], 1)
        weights_WMAL = torch.cat([scores_WMAL, silence_WMA1], dim=3).softmax(3)[..., :-1]
        heard_WAH = (weights_WMAL @ value_WMLH.float()).transpose(1, 2).flatten(2) @ self.mix
        between_WAH = asking_WAH + heard_WAH
        inner = torch.relu(between_WAH @ self.inner + self.inner_bias)
        return between_WAH + inner @ self.outer + self.outer_bias

    def _split(self, rows_WAH: Tensor) -> Tensor:
        """Return the columns of each head apart: (W, M, A, H / M)."""
        return rows_WAH.unflatten(2, (self.heads, -1)).transpose(1, 2)


class AttentionNetwork(Network):
    """Blocks of causal attention over a window, and a question that reads along at its end."""

    scales: Tensor

    def __init__(self, facts: int, options: Sasrec, generator: Generator) -> None:
        super().__init__()
        width = options.width
        self.read_in = nn.Parameter(start((facts, width), 1 / math.sqrt(facts), generator))
        self.read_in_bias = nn.Parameter(torch.zeros(width))
        self.asking = nn.Parameter(start((width,), _START_OF_ASKING, generator))
        self.blocks = nn.ModuleList([Block(options, generator) for _ in range(options.blocks)])
        self.register_buffer("scales", torch.tensor(options.scales, dtype=torch.float32))

    def forward(self, facts_WLT: Tensor, questions: Questions, timeline: Timeline) -> Tensor:
        """Return the state that answers each question: (W, Q, H)."""
        read_WLH = facts_WLT @ self.read_in + self.read_in_bias
        asking_WQH = self.asking.expand(*questions.seen_WQ.shape, -1)
        times_WL = timeline.times_N[questions.places_WL]
        places_L = torch.arange(times_WL.shape[1], device=times_WL.device)
        ages_WQL = (questions.times_WQ[..., None] - times_WL[:, None]).float()
        ages_WQL = ages_WQL.masked_fill(questions.is_timeless_WQ[..., None], math.inf)
        ranks_WQL = questions.seen_WQ[..., None] - 1 - places_L
        for number, block in enumerate(self.blocks, start=1):
            asked_WQH = block(asking_WQH, read_WLH, self._recency(ages_WQL), ranks_WQL)
            if number < len(self.blocks):
                recency_WLL = self._recency((times_WL[:, :, None] - times_WL[:, None]).float())
                ranks_1LL = (places_L[:, None] - places_L)[None]
                read_WLH = block(read_WLH, read_WLH, recency_WLL, ranks_1LL)
            asking_WQH = asked_WQH
        return asking_WQH

    def _recency(self, ages: Tensor) -> Tensor:
        """Return 1 for just now, falling with the logarithm, 0 from the longest scale on."""
        shortest, longest = self.scales.min(), self.scales.max()
        grown = torch.log1p(ages.clamp(min=0).minimum(longest) / shortest)
        return 1 - grown / torch.log1p(longest / shortest)

    def penalty(self) -> Tensor:
        """Return Σ |w|²; the silent places' scores are free."""
        kept = [p for name, p in self.named_parameters() if not name.endswith("silence")]
        return torch.stack([parameter.square().sum() for parameter in kept]).sum()

    def export(self) -> Weights:
        """Return the weights by the names that the answering side reads."""
        tensors = {name.replace("blocks.", "block_"): p for name, p in self.named_parameters()}
        return {name: p.detach().cpu().numpy().copy() for name, p in tensors.items()}

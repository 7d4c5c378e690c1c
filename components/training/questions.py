"""Questions put to a sequence: which ratings each may read, cut into windows of bounded length.

Dimension letters: W windows, L places of a window, Q questions put to a window, B questions that
somebody asked for, F scales of time, G = F + 2 levels.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from components.models.catalogue import UNKNOWN
from components.training.timeline import Timeline


@dataclass(frozen=True)
class Questions:
    """W windows of ratings and up to Q questions to each.

    `places_WL` are rows of the timeline, oldest first, `is_rated_WL` says which places hold one.
    A question reads the first `seen_WQ` of its window, at `times_WQ` or regardless of time.
    `asked_B` are the questions that count, as rows of W × Q: the others fill up the grid.
    """

    places_WL: Tensor
    is_rated_WL: Tensor
    seen_WQ: Tensor
    times_WQ: Tensor
    is_timeless_WQ: Tensor
    level_WQ: Tensor
    fading_WQF: Tensor
    asked_B: Tensor

    def levels(self) -> Tensor:
        """Return all levels, as `components.models.sequence.Reading` orders them: (W, Q, G)."""
        is_timeless_WQ1, level_WQ1 = self.is_timeless_WQ[..., None], self.level_WQ[..., None]
        return torch.cat(
            [
                level_WQ1 * is_timeless_WQ1,
                level_WQ1 * ~is_timeless_WQ1,
                self.fading_WQF * ~is_timeless_WQ1,
            ],
            dim=2,
        )

    def forget(self, struck_WQ: Tensor) -> "Questions":
        """Return the same with some questions asked for somebody of whom nothing is known."""
        return Questions(
            self.places_WL,
            self.is_rated_WL,
            self.seen_WQ * ~struck_WQ,
            self.times_WQ,
            self.is_timeless_WQ | struck_WQ,
            self.level_WQ * ~struck_WQ,
            self.fading_WQF,
            self.asked_B,
        )


def ask_in_order(
    timeline: Timeline,
    starts_W: Tensor,
    ends_W: Tensor,
    length: int,
    draws_WQ: tuple[Tensor, Tensor] | None = None,
) -> Questions:
    """Ask for each rating from `starts_W` up to `ends_W` of one user what its past tells.

    With draws, (which questions, a share in [0, 1)), those are asked regardless of time, and from
    an earlier moment: after that share of what they could have read. So a family learns to look
    further ahead than the next rating.
    """
    user_starts_W1 = timeline.own_starts_N[starts_W][:, None]
    firsts_W = torch.maximum(user_starts_W1[:, 0], ends_W - 1 - length)
    offsets_Q = torch.arange(int((ends_W - starts_W).max()), device=starts_W.device)
    rows_WQ = starts_W[:, None] + offsets_Q
    counts_WQ = rows_WQ < ends_W[:, None]
    rows_WQ = rows_WQ.clamp(max=len(timeline.times_N) - 1)
    pasts_WQ = torch.where(counts_WQ, timeline.pasts_N[rows_WQ], user_starts_W1)
    seen_WQ = (pasts_WQ - firsts_W[:, None]).clamp(min=0)
    is_timeless_WQ = torch.zeros_like(counts_WQ)
    if draws_WQ is not None:
        is_timeless_WQ, shares_WQ = draws_WQ
        earlier_WQ = (shares_WQ * (seen_WQ + 1)).long()
        moved_WQ = is_timeless_WQ & (seen_WQ > 0)
        seen_WQ = torch.where(moved_WQ, earlier_WQ, seen_WQ)
        pasts_WQ = torch.where(moved_WQ, firsts_W[:, None] + earlier_WQ, pasts_WQ)
    return Questions(
        *_cut(firsts_W, ends_W - 1),
        seen_WQ,
        timeline.times_N[rows_WQ],
        is_timeless_WQ,
        timeline.level(user_starts_W1, pasts_WQ),
        timeline.fading_NF[rows_WQ],
        counts_WQ.flatten().nonzero()[:, 0],
    )


def ask_from_past(timeline: Timeline, own_B: Tensor, length: int) -> Questions:
    """Ask for learnt rows, each in its second and from the latest that was given before it."""
    return _ask_each(
        timeline,
        timeline.own_starts_N[own_B],
        timeline.pasts_N[own_B],
        timeline.times_N[own_B],
        torch.zeros_like(own_B, dtype=torch.bool),
        timeline.fading_NF[own_B],
        length,
    )


def ask_at_the_end(timeline: Timeline, users_B: Tensor, length: int) -> Questions:
    """Ask for users, regardless of time, from the latest of all their learnt ratings."""
    known_B = users_B != UNKNOWN
    return _ask_each(
        timeline,
        timeline.starts_U[users_B.clamp(min=0)] * known_B,
        timeline.ends_U[users_B.clamp(min=0)] * known_B,
        torch.zeros_like(users_B),
        torch.ones_like(known_B),
        timeline.fading_NF.new_zeros(len(users_B), timeline.fading_NF.shape[1]),
        length,
    )


def _ask_each(
    timeline: Timeline,
    starts_B: Tensor,
    ends_B: Tensor,
    times_B: Tensor,
    is_timeless_B: Tensor,
    fading_BF: Tensor,
    length: int,
) -> Questions:
    """Ask one question of each stretch of ratings, of which the latest are read."""
    firsts_B = torch.maximum(starts_B, ends_B - length)
    return Questions(
        *_cut(firsts_B, ends_B),
        (ends_B - firsts_B)[:, None],
        times_B[:, None],
        is_timeless_B[:, None],
        timeline.level(starts_B, ends_B)[:, None],
        fading_BF[:, None],
        torch.arange(len(starts_B), device=starts_B.device),
    )


def cut_windows(timeline: Timeline, length: int) -> tuple[Tensor, Tensor]:
    """Return from where to where each window of learnt rows goes: (W,) twice.

    Half as many as a window reads, so that every row can read at least half of that.
    """
    stride = max(1, length // 2)
    counts_U = timeline.ends_U - timeline.starts_U
    pieces_U = (counts_U + stride - 1) // stride
    owners_W = torch.repeat_interleave(
        torch.arange(len(pieces_U), device=pieces_U.device), pieces_U
    )
    before_U = pieces_U.cumsum(0) - pieces_U
    ranks_W = torch.arange(len(owners_W), device=owners_W.device) - before_U[owners_W]
    starts_W = timeline.starts_U[owners_W] + ranks_W * stride
    return starts_W, torch.minimum(starts_W + stride, timeline.ends_U[owners_W])


def draw_earlier(
    generator: Generator, share: float, shape: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return which questions are asked regardless of time, and after which share of their past.

    Drawn on the CPU, so that a run on a GPU draws the same.
    """
    drawn_2WQ = torch.rand((2, *shape), generator=generator)
    return (drawn_2WQ[0] < share).to(device), drawn_2WQ[1].to(device)


def _cut(firsts_W: Tensor, ends_W: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places from `firsts_W` up to `ends_W`, and which of them hold a rating."""
    counts_W = (ends_W - firsts_W).clamp(min=0)
    offsets_L = torch.arange(max(1, int(counts_W.max())), device=firsts_W.device)
    is_rated_WL = offsets_L < counts_W[:, None]
    return (firsts_W[:, None] + offsets_L) * is_rated_WL, is_rated_WL

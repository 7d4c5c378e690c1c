"""The family `sasrec`: the user's latest ratings through causal self-attention.

Dimension letters as in `components.models.sequence`, and A who asks (one question, or the ratings
of the window themselves), M heads.
"""

import math
from typing import ClassVar

import numpy as np

from components.models.catalogue import Floats, Ints
from components.models.protocol import Weights
from components.models.sequence import SequenceRecommender, Windows


class SelfAttention(SequenceRecommender):
    """Kang and McAuley (2018), "Self-attentive sequential recommendation", for ratings instead of
    clicks, over item factors and images.

    The question is a place of its own behind the ratings, as in Sun et al. (2019), "BERT4Rec", that
    reads them and that none of them reads. Attention is biased by how long ago and how many ratings
    ago something was, as in Li, Wang and McAuley (2020), "Time interval aware self-attention".
    """

    family: ClassVar[str] = "sasrec"

    def _make_states(self, windows: Windows, facts_BLT: Floats) -> Floats:
        weights = self._weights
        blocks = sum(name.endswith(".silence") for name in weights)
        read_BLH = np.matmul(facts_BLT, weights["read_in"]) + weights["read_in_bias"]
        places_L = np.arange(read_BLH.shape[1])
        asking_BAH = np.repeat(weights["asking"][None, None], len(read_BLH), axis=0)
        ranks_BAL = windows.counts_B[:, None, None] - 1 - places_L
        recency_BAL = self._recency(windows.ages()[:, None])
        for number in range(blocks):
            block = _block(weights, number)
            asked_BAH = _attend(block, asking_BAH, read_BLH, recency_BAL, ranks_BAL)
            if number + 1 < blocks:
                times_BL = windows.times_BL
                ages_BLL = (times_BL[:, :, None] - times_BL[:, None]).astype(np.float32)
                ranks_1LL = (places_L[:, None] - places_L)[None]
                recency_BLL = self._recency(ages_BLL)
                read_BLH = _attend(block, read_BLH, read_BLH, recency_BLL, ranks_1LL)
            asking_BAH = asked_BAH
        return asking_BAH[:, 0]

    def _recency(self, ages: Floats) -> Floats:
        """Return 1 for just now, falling with the logarithm, 0 from the longest scale on."""
        shortest = np.float32(self._scales_F.min())
        longest = np.float32(self._scales_F.max())
        grown = np.log1p(np.clip(ages, 0, longest) / shortest)
        recent: Floats = 1 - grown / np.log1p(longest / shortest)
        return recent


def _block(weights: Weights, number: int) -> Weights:
    prefix = f"block_{number}."
    return {
        name.removeprefix(prefix): table
        for name, table in weights.items()
        if name.startswith(prefix)
    }


def _attend(
    block: Weights,
    asking_BAH: Floats,
    read_BLH: Floats,
    recency_BAL: Floats,
    ranks_BAL: Ints,
) -> Floats:
    """Return what those who ask are, after they have read; the silent place says nothing.

    `ranks_BAL` counts what lies between; what it says is below zero must not be read.
    """
    heads = len(block["silence"])
    query_BMAH = _split(asking_BAH @ block["query"], heads)
    key_BMLH = _split(read_BLH @ block["key"], heads)
    value_BMLH = _split(read_BLH @ block["value"], heads)
    scores_BMAL = query_BMAH @ key_BMLH.swapaxes(2, 3) / np.float32(math.sqrt(query_BMAH.shape[3]))
    distance_BAL = np.log1p(np.maximum(ranks_BAL, 0).astype(np.float32))
    scores_BMAL = scores_BMAL + recency_BAL[:, None] * block["recency"][:, None, None]
    scores_BMAL = scores_BMAL - distance_BAL[:, None] * block["distance"][:, None, None]
    scores_BMAL = np.where(ranks_BAL[:, None] < 0, np.float32(-np.inf), scores_BMAL)
    weights_BMAL = _share(scores_BMAL, block["silence"])
    heard_BAMH = (weights_BMAL @ value_BMLH).swapaxes(1, 2)
    between_BAH = asking_BAH + heard_BAMH.reshape(asking_BAH.shape) @ block["mix"]
    inner: Floats = np.maximum(between_BAH @ block["inner"] + block["inner_bias"], 0)
    done_BAH: Floats = between_BAH + inner @ block["outer"] + block["outer_bias"]
    return done_BAH


def _share(scores_BMAL: Floats, silence_M: Floats) -> Floats:
    """Return the softmax over what is read and the silent place, without the silent place."""
    silence_M11 = silence_M[:, None, None]
    highest = np.maximum(scores_BMAL.max(axis=3, keepdims=True), silence_M11)
    grown_BMAL = np.exp(scores_BMAL - highest)
    silent = np.exp(silence_M11 - highest)
    shares: Floats = grown_BMAL / (grown_BMAL.sum(axis=3, keepdims=True) + silent)
    return shares


def _split(rows_BAH: Floats, heads: int) -> Floats:
    """Return the columns of each head apart: (B, M, A, H / M)."""
    people, asking, width = rows_BAH.shape
    return rows_BAH.reshape(people, asking, heads, width // heads).swapaxes(1, 2)

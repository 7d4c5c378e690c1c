"""Who meets on the draws of a split: references, peers and our families, and their answers."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.comparison.answers import STATIC, Answer, AnswerStore, Seconds
from benchmarks.comparison.draws import Draw
from benchmarks.comparison.ours import Ours, rate_by_user_mean
from benchmarks.comparison.peer_fits import PeerFits
from benchmarks.comparison.peers import Peer
from benchmarks.comparison.table import Entry
from components.evaluation.accuracy import rmse

USER_MEAN = "user mean"
# Families of ours that are no contestants but the floor under all.
REFERENCES = {"mean": "mean of all", "popularity": "item mean", "biases": "biases"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contest:
    """The contestants, and what their fits share; `seeds` is how many each family of ours gets."""

    families: Sequence[str]
    peers: Sequence[Peer]
    seeds: int
    ours: Ours
    peer_fits: PeerFits
    store: AnswerStore

    def enter(self, draws: Sequence[Draw]) -> list[Entry]:
        """Return everybody's answers on the draws of one split, fitting what the store lacks."""
        references = [
            Entry(label, "reference", self._learn(family, 1, draws))
            for family, label in REFERENCES.items()
        ]
        peers = [Entry(peer.label, "peer", self._ask(peer, draws)) for peer in self.peers]
        ours = [
            Entry(f"Beholder {family}", "ours", self._learn(family, self.seeds, draws))
            for family in self.families
        ]
        return [self._enter_user_mean(draws), *references, *peers, *ours]

    def _enter_user_mean(self, draws: Sequence[Draw]) -> Entry:
        prior = self.ours.params.families.biases.prior
        answers = [
            Answer({STATIC: rate_by_user_mean(draw, prior)}, Seconds(), Seconds()) for draw in draws
        ]
        return Entry(USER_MEAN, "reference", tuple((answer,) for answer in answers))

    def _ask(self, peer: Peer, draws: Sequence[Draw]) -> tuple[tuple[Answer, ...], ...]:
        return tuple(
            (_said(draw, peer.name, *self.peer_fits.answer(peer, draw)),) for draw in draws
        )

    def _learn(
        self, family: str, seeds: int, draws: Sequence[Draw]
    ) -> tuple[tuple[Answer, ...], ...]:
        first = self.ours.params.train.seed

        def learn(draw: Draw, seed: int) -> Answer:
            key = self.ours.key(family, seed, draw)
            found = self.store.get(key, lambda: self.ours.fit(family, seed, draw))
            return _said(draw, f"{family} seed {seed}", *found)

        return tuple(
            tuple(learn(draw, seed) for seed in range(first, first + seeds)) for draw in draws
        )


def _said(draw: Draw, name: str, answer: Answer, stood: bool) -> Answer:
    error = rmse(draw.test["rating"].to_numpy(np.float32), answer.predicted[STATIC])
    log.info(
        "rated split=%s model=%s rmse=%.4f train_seconds=%.1f predict_seconds=%.1f cached=%s",
        *(draw.name, name, error, answer.train.processor, answer.predict.processor, stood),
    )
    return answer

"""A peer's ratings of the test rows of a draw; for a tuned one, after a search on the valid rows.

Ids go out as codes ("u12", "i7"), whatever they look like here.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.comparison.answers import STATIC, Answer, AnswerStore, Seconds, digest_rows
from benchmarks.comparison.dataset import Dataset
from benchmarks.comparison.draws import Draw
from benchmarks.comparison.peer_environment import PeerEnvironment, PeerError, write_job
from benchmarks.comparison.peers import Options, Peer
from components.evaluation.accuracy import rmse
from components.files import read_json
from components.models.catalogue import Floats

_SEED = 0


@dataclass(frozen=True)
class PeerFits:
    """All that the peers' fits share; every single one is kept in the store."""

    dataset: Dataset
    scale: tuple[float, float]
    environment: PeerEnvironment
    store: AnswerStore

    def answer(self, peer: Peer, draw: Draw) -> tuple[Answer, bool]:
        """Return a peer's answer on the test rows, and whether it stood in the store already.

        The seconds of a tuned one are those of its last fit; what the search took before is in
        its facts.
        """
        if not peer.grid:
            return self._get(peer, {}, draw.train, draw.test)
        truth_N = draw.valid["rating"].to_numpy(np.float32)
        tried = [self._get(peer, cell, draw.learnt, draw.valid)[0] for cell in peer.grid]
        errors = [rmse(truth_N, answer.predicted[STATIC]) for answer in tried]
        best = int(np.argmin(errors))
        answer, stood = self._get(peer, peer.grid[best], draw.train, draw.test)
        searched = sum(each.train.processor + each.predict.processor for each in tried)
        answer.facts.update(
            valid_rmse=errors[best], cells=len(tried), search_processor_seconds=searched
        )
        return answer, stood

    def _get(
        self, peer: Peer, options: Options, learn: pd.DataFrame, ask: pd.DataFrame
    ) -> tuple[Answer, bool]:
        key = {
            "library": peer.library,
            "algorithm": peer.algorithm,
            "options": options,
            "seed": _SEED,
            "scale": list(self.scale),
            "learn": digest_rows(learn[["user_id", "item_id", "rating"]]),
            "ask": digest_rows(ask[["user_id", "item_id"]]),
            "catalogue": self.dataset.digest if peer.sees_images else None,
            **self.environment.key,
        }
        return self.store.get(key, lambda: self._fit(peer, options, learn, ask))

    def _fit(self, peer: Peer, options: Options, learn: pd.DataFrame, ask: pd.DataFrame) -> Answer:
        job: dict[str, Any] = {
            "library": peer.library,
            "algorithm": peer.algorithm,
            "options": options,
            "seed": _SEED,
            "scale": self.scale,
        }
        with tempfile.TemporaryDirectory(prefix="beholder-peer-") as scratch:
            folder = Path(scratch)
            write_job(folder, job)
            self._code(learn)[["user_id", "item_id", "rating"]].to_csv(
                folder / "learn.csv", index=False
            )
            self._code(ask)[["user_id", "item_id"]].to_csv(folder / "ask.csv", index=False)
            if peer.sees_images:
                np.save(folder / "looks.npy", self.dataset.catalogue.embeddings_IE)
            self.environment.run(folder, peer.label)
            predicted_N = _read_predicted(folder, peer, len(ask))
            seconds = read_json(folder / "report.json")
        train, predict = (Seconds(*seconds[name]) for name in ("train", "predict"))
        return Answer({STATIC: predicted_N}, train, predict, {"options": options})

    def _code(self, rows: pd.DataFrame) -> pd.DataFrame:
        users = np.unique(self.dataset.ratings["user_id"].to_numpy(dtype=object).astype(str))
        user_N = np.searchsorted(users, rows["user_id"].to_numpy(dtype=object).astype(str))
        item_N = self.dataset.catalogue.find(rows["item_id"].tolist())
        return rows.assign(
            user_id=[f"u{code}" for code in user_N], item_id=[f"i{code}" for code in item_N]
        )


def _read_predicted(folder: Path, peer: Peer, rows: int) -> Floats:
    predicted_N: Floats = np.load(folder / "predicted.npy", allow_pickle=False).astype(np.float32)
    if len(predicted_N) != rows or not np.isfinite(predicted_N).all():
        raise PeerError(
            f"{peer.label} answered {len(predicted_N)} of {rows} rows, "
            f"{np.isfinite(predicted_N).sum()} of them with finite numbers"
        )
    return predicted_N

"""Our side: a family learnt from the train rows of a draw, and its ratings of the test rows."""

import tempfile
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.comparison.answers import STATIC, Answer, Seconds, digest_rows
from benchmarks.comparison.dataset import Dataset
from benchmarks.comparison.draws import Draw
from components.code import digest_steps
from components.evaluation.predictions import predict_prequential, predict_static
from components.files import hash_file
from components.models.bundle import Bundle
from components.models.catalogue import Floats, UserBook
from components.models.predictor import Predictor
from components.models.protocol import Asker
from components.params import Params
from components.settings import Settings
from components.training.ladder import shrunk_means
from components.training.live_history import Epoch
from components.training.pictures import Pictures
from components.training.recipe import Recipe
from components.training.step import make_bundle
from components.training.threads import limit_threads

IN_SESSION = "in session"
LIVING = "living"
PREQUENTIAL = "prequential"

# What is asked beside the static ratings. A random or cold item split has train rows later than
# the test row, which are read as static ratings read them, or left out.
SITUATIONS = {
    "random": (IN_SESSION,),
    "global_time": (PREQUENTIAL,),
    "cold_item": (IN_SESSION, LIVING, PREQUENTIAL),
}

_CODE = {"fit": "components.training.recipe", "ask": "components.evaluation.predictions"}
_ASKERS_AT_ONCE = 4096
# Rating points: below it a family does not read when something was rated.
_SAME = 1e-4


@dataclass(frozen=True)
class Ours:
    """All that our fits share."""

    dataset: Dataset
    params: Params
    settings: Settings
    device: str

    @cached_property
    def _code(self) -> dict[str, str]:
        return {**digest_steps(_CODE), "here": hash_file(Path(__file__))}

    def key(self, family: str, seed: int, draw: Draw) -> dict[str, Any]:
        """Return all that the answer of `fit` follows from."""
        import torch

        return {
            "model": family,
            "options": self._choose(family, seed).options.model_dump(mode="json"),
            "seed": seed,
            "data": self.params.data.model_dump(mode="json"),
            "catalogue": self.dataset.digest,
            "train": digest_rows(draw.train),
            "test": digest_rows(draw.test),
            "code": self._code,
            "device": self.device,
            "torch": str(torch.__version__),
            "situations": SITUATIONS[draw.split],
        }

    def fit(self, family: str, seed: int, draw: Draw) -> Answer:
        """Search for the epochs on the valid rows, learn all train rows, and rate the test."""
        params, train, predict = self._choose(family, seed), Seconds(), Seconds()
        with (
            tempfile.TemporaryDirectory(prefix="beholder-accuracy-") as scratch,
            limit_threads(len(draw.train), self.settings, params.options),
        ):
            with train.added():
                bundle, best = self._learn(params, draw, Path(scratch))
            predictor = Predictor(bundle)
            with predict.added():
                static_N = predict_static(predictor, draw.test)
        asked = {name: _ASK[name](predictor, draw.test) for name in SITUATIONS[draw.split]}
        if IN_SESSION in asked and np.allclose(asked[IN_SESSION], static_N, atol=_SAME):
            del asked[IN_SESSION]
        facts = {"epochs": best.epoch, "valid_rmse": best.rmse}
        return Answer({STATIC: static_N, **asked}, train, predict, facts)

    def _choose(self, family: str, seed: int) -> Params:
        chosen = self.params.train.model_copy(update={"family": family, "seed": seed})
        return self.params.model_copy(update={"train": chosen})

    def _learn(self, params: Params, draw: Draw, scratch: Path) -> tuple[Bundle, Epoch]:
        recipe = Recipe.of(
            *(params, self.dataset.catalogue, self.device),
            *(scratch / "checkpoints", scratch / "live"),
            Pictures.of(self.dataset.workspace, self.settings),
        )
        best, _ = recipe.search(draw.train)
        book = UserBook.from_ratings(draw.train, self.dataset.catalogue)
        learnt = recipe.learn("evaluation", book, best.epoch)
        bundle = make_bundle(
            *(params, params.train.family, learnt.weights, learnt.catalogue, book, {}, {})
        )
        return bundle, best


def rate_by_user_mean(draw: Draw, prior: float) -> Floats:
    """Return μ + b_u of each test row, with b_u the user's mean residual shrunk by `prior` rows.

    A user without train rows gets μ.
    """
    users = np.unique(draw.train["user_id"].to_numpy(dtype=object).astype(str))
    learnt_N = np.searchsorted(users, draw.train["user_id"].to_numpy(dtype=object).astype(str))
    ratings_N = draw.train["rating"].to_numpy(np.float64)
    bias_U = shrunk_means(learnt_N, ratings_N - ratings_N.mean(), len(users), prior)
    bias_of = pd.Series(bias_U, index=users)
    found_N = bias_of.reindex(draw.test["user_id"].astype(str)).fillna(0).to_numpy()
    return (ratings_N.mean() + found_N).astype(np.float32)


def predict_in_session(predictor: Predictor, test: pd.DataFrame) -> Floats:
    """Return the rating of each row, from the train rows of its user, asked at its second.

    As static ratings, but a family may read when the train rows were given.
    """
    book = predictor.bundle.users
    predicted_N = np.zeros(len(test), np.float32)
    user_N = book.find(test["user_id"].tolist())
    times_N = test["timestamp"].to_numpy(np.int64)
    # User by user, for who asks again with the same history is solved for once.
    order = np.argsort(user_N, kind="stable")
    histories = {user: book.history(user) for user in np.unique(user_N).tolist()}
    for start in range(0, len(test), _ASKERS_AT_ONCE):
        rows = order[start : start + _ASKERS_AT_ONCE]
        pairs = zip(user_N[rows].tolist(), times_N[rows].tolist(), strict=True)
        side = predictor.fold([Asker(user, histories[user], now) for user, now in pairs])
        items = predictor.item_side(test["item_id"].iloc[rows].tolist())
        predicted_N[rows] = predictor.rate(side, items)
    return predicted_N


_ASK = {
    IN_SESSION: predict_in_session,
    LIVING: partial(predict_prequential, later_train_rows=True),
    PREQUENTIAL: predict_prequential,
}

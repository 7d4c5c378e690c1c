"""The recipe from ratings to weights: search for the epochs, or learn for a given number."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from components.errors import DataError
from components.family_params import Schedule
from components.models.catalogue import Catalogue, UserBook
from components.models.families import build
from components.models.protocol import Asker, Weights, rate_pairs
from components.params import Params
from components.training.checkpoints import Checkpoints
from components.training.families import FITTERS, LEARNERS, Ground, Setting, fit_statistics
from components.training.learner import Learner, Rows, Seeing
from components.training.learnt import Learnt
from components.training.live_history import Epoch, LiveHistory, Phase
from components.training.loop import Task, best_epoch, fit
from components.training.pictures import Pictures
from components.training.tensors import Interactions

SAVE_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Recipe:
    """What every fit of a step shares; `checkpoints` is the step's own folder of them."""

    params: Params
    catalogue: Catalogue
    statistics: Weights
    device: str
    checkpoints: Path
    live: LiveHistory
    pictures: Pictures | None = None

    @classmethod
    def of(
        cls,
        params: Params,
        catalogue: Catalogue,
        device: str,
        checkpoints: Path,
        live: Path,
        pictures: Pictures | None = None,
    ) -> "Recipe":
        """Fit what a family takes from the catalogue alone.

        `pictures` are for a family that learns from pixels; it raises ValueError without them.
        """
        statistics = fit_statistics(catalogue, params.options)
        return cls(params, catalogue, statistics, device, checkpoints, LiveHistory(live), pictures)

    @property
    def scale(self) -> tuple[float, float]:
        """Return the lowest and the highest rating."""
        return self.params.data.rating_min, self.params.data.rating_max

    @property
    def schedule(self) -> Schedule:
        """Return how the family takes its steps; a family in closed form has none."""
        if not isinstance(self.params.options, Schedule):
            raise TypeError(f"{self.params.train.family} does not learn by the loop")
        return self.params.options

    def search(self, ratings: pd.DataFrame) -> tuple[Epoch, list[Epoch]]:
        """Learn from the rows that are not `valid` and return the best epoch on those that are.

        A family in closed form needs no epochs: its best is epoch 0. Raises DataError without valid
        rows.
        """
        valid = ratings[ratings["valid"]]
        if valid.empty or len(valid) == len(ratings):
            raise DataError(
                f"{len(valid)} of {len(ratings)} train rows are valid rows: early stopping needs "
                "both; change split.valid_share in params.yaml"
            )
        book = UserBook.from_ratings(ratings[~ratings["valid"]], self.catalogue)
        if self.params.train.family in FITTERS:
            learnt = self.learn("search", book, 0)
            parts = (ratings[~ratings["valid"]], valid)
            closed = Epoch("search", 0, *(self._measure(learnt, book, part) for part in parts))
            return closed, [closed]
        history = self._fit("search", book, self.schedule.max_epochs, valid)[1]
        return best_epoch(history), history

    def learn(self, phase: Phase, book: UserBook, epochs: int) -> Learnt:
        """Learn all of a book for a number of epochs and return what a bundle is made of."""
        family = self.params.train.family
        if family in FITTERS:
            ground = Ground(book, self.catalogue, self.statistics, self.params.options)
            return Learnt({**self.statistics, **FITTERS[family](ground)}, self.catalogue)
        learner, _ = self._fit(phase, book, epochs, None)
        weights = {**self.statistics, **learner.export()}
        seen = learner.see() if isinstance(learner, Seeing) else None
        return Learnt(weights, self.catalogue) if seen is None else Learnt(weights, *seen)

    def _measure(self, learnt: Learnt, book: UserBook, rows: pd.DataFrame) -> float:
        model = build(self.params.train.family, learnt.weights, learnt.catalogue, book)
        users, user_B = np.unique(book.find(rows["user_id"].tolist()), return_inverse=True)
        askers = [Asker(int(user), book.history(int(user))) for user in users]
        user_side = model.fold_users(askers).take(user_B)
        item_side = model.known_items().take(self.catalogue.find(rows["item_id"].tolist()))
        rated_B = np.clip(rate_pairs(model.mean, user_side, item_side), *self.scale)
        return float(np.sqrt(np.square(rows["rating"].to_numpy() - rated_B).mean()))

    def _fit(
        self, phase: Phase, book: UserBook, epochs: int, valid: pd.DataFrame | None
    ) -> tuple[Learner, list[Epoch]]:
        train = self.params.train
        generator = torch.Generator().manual_seed(train.seed)
        interactions = Interactions.from_book(book, len(self.catalogue), self.device)
        learner = LEARNERS[train.family](
            Setting(
                book,
                interactions,
                self.catalogue,
                self.statistics,
                self.params.options,
                generator,
                self.pictures,
            )
        )
        asked = None if valid is None else self._to_rows(valid, book)
        task = Task(phase, interactions, epochs, asked, self.scale)
        checkpoints = Checkpoints(self.checkpoints / phase, SAVE_EVERY_SECONDS)
        return learner, fit(learner, task, self.schedule, generator, checkpoints, self.live)

    def _to_rows(self, frame: pd.DataFrame, book: UserBook) -> tuple[Rows, torch.Tensor]:
        def put(values: object) -> torch.Tensor:
            return torch.as_tensor(values).to(self.device)

        users_B = put(book.find(frame["user_id"].tolist()))
        items_B = put(self.catalogue.find(frame["item_id"].tolist()))
        return Rows(users_B, items_B), put(frame["rating"].to_numpy("float32"))

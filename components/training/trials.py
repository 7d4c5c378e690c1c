"""Fits beside the pipeline: of other parameters on the same rows, leaving no step's output."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from components.devices import pick_device
from components.models.bundle import Bundle
from components.models.catalogue import Catalogue, Floats, UserBook
from components.models.predictor import Predictor
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.training.inputs import (
    read_catalogue,
    read_input_digests,
    read_ratings,
    read_vectors,
)
from components.training.live_history import Epoch, LiveHistory, Phase
from components.training.pictures import Pictures
from components.training.recipe import Recipe
from components.training.step import checkpoint_folder, make_bundle
from components.training.threads import limit_threads

HearEpoch = Callable[[Epoch], None]


@dataclass(frozen=True)
class Material:
    """What every fit beside the pipeline is made of.

    `ratings` are train rows with their `valid` flag, `inputs` the digests of all that was read.
    """

    workspace: Workspace
    settings: Settings
    device: str
    catalogue: Catalogue
    ratings: pd.DataFrame
    inputs: dict[str, str]

    @property
    def learnt_from(self) -> pd.DataFrame:
        """Return the train rows that are not valid rows."""
        return self.ratings[~self.ratings["valid"]]

    @property
    def valid(self) -> pd.DataFrame:
        """Return the valid rows."""
        return self.ratings[self.ratings["valid"]]


def read_material(workspace: Workspace, settings: Settings) -> Material:
    """Read what the steps up to `embed` left; the test rows are never looked at."""
    return Material(
        workspace,
        settings,
        pick_device(settings),
        read_catalogue(workspace, read_vectors(workspace)),
        read_ratings(workspace, split=True),
        read_input_digests(workspace, "train", split=True),
    )


def search_epochs(material: Material, params: Params, hear: HearEpoch) -> Epoch:
    """Return the best epoch of a family on the valid rows; `hear` gets each as it ends.

    Goes on from a checkpoint where `hear` or a kill ended an earlier search of the same
    parameters; call `forget` when none shall.
    """
    with limit_threads(len(material.ratings), material.settings, params.options):
        return _recipe(material, params, hear).search(material.ratings)[0]


def learn(material: Material, params: Params, ratings: pd.DataFrame, epochs: int) -> Bundle:
    """Return the bundle of a family learnt from some of the train rows, for so many epochs."""
    book = UserBook.from_ratings(ratings, material.catalogue)
    with limit_threads(len(ratings), material.settings, params.options):
        learnt = _recipe(material, params, _ignore).learn("evaluation", book, epochs)
    facts = {"epochs": epochs, "rows": len(ratings)}
    return make_bundle(
        *(params, params.train.family, learnt.weights, learnt.catalogue, book),
        *(material.inputs, facts),
    )


def rate_valid(material: Material, params: Params, epochs: int) -> Floats:
    """Return the ratings of the valid rows, as they were after an epoch of the search."""
    bundle = learn(material, params, material.learnt_from, epochs)
    forget(material, params)
    valid = material.valid
    return Predictor(bundle).predict(valid["user_id"].tolist(), valid["item_id"].tolist())


def forget(material: Material, params: Params) -> None:
    """Remove the checkpoints of fits with these parameters."""
    shutil.rmtree(_folder(material, params), ignore_errors=True)


def _recipe(material: Material, params: Params, hear: HearEpoch) -> Recipe:
    recipe = Recipe.of(
        *(params, material.catalogue, material.device),
        *(_folder(material, params), material.workspace.live_history),
        Pictures.of(material.workspace, material.settings),
    )
    return replace(recipe, live=_Heard(hear))


def _folder(material: Material, params: Params) -> Path:
    return checkpoint_folder(material.workspace, "trial", material.inputs, params, material.device)


def _ignore(epoch: Epoch) -> None:
    pass


class _Heard(LiveHistory):
    """Hands epochs on instead of writing them; those that a resumed fit knows already, too."""

    def __init__(self, hear: HearEpoch) -> None:
        self._hear = hear

    def restart(self, phase: Phase, known: Iterable[Epoch]) -> None:
        for epoch in known:
            self._hear(epoch)

    def append(self, epoch: Epoch) -> None:
        self._hear(epoch)

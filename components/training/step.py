"""The step `train`: the candidate and the ladder below it, learnt from the train rows only."""

import logging
import shutil
from pathlib import Path

import pandas as pd

from components.devices import pick_device
from components.files import hash_json, write_bytes, write_folder, write_json
from components.models.bundle import Bundle, save_bundle, seal_bundle
from components.models.catalogue import Catalogue, UserBook
from components.models.families import RUNGS
from components.models.protocol import Weights
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.training.families import FITTERS, Ground
from components.training.inputs import (
    read_catalogue,
    read_input_digests,
    read_ratings,
    read_vectors,
)
from components.training.live_history import Epoch
from components.training.machine import note_machine
from components.training.pictures import Pictures
from components.training.recipe import Recipe
from components.training.threads import limit_threads

log = logging.getLogger(__name__)


def train(workspace: Workspace, params: Params, settings: Settings) -> None:
    """Search for the epochs on the valid rows, learn again from all train rows, write both.

    Writes models/evaluation, models/ladder and reports/training. A run that was killed goes on
    from its last checkpoint and ends with the same bytes.
    """
    device = pick_device(settings)
    inputs = read_input_digests(workspace, "train", split=True)
    catalogue = read_catalogue(workspace, read_vectors(workspace))
    ratings = read_ratings(workspace, split=True)
    book = UserBook.from_ratings(ratings, catalogue)
    log.info(
        "training started family=%s rows=%d device=%s", params.train.family, len(ratings), device
    )
    folder = checkpoint_folder(workspace, "train", inputs, params, device)
    pictures = Pictures.of(workspace, settings)
    with limit_threads(len(ratings), settings, params.options):
        recipe = Recipe.of(params, catalogue, device, folder, workspace.live_history, pictures)
        best, history = recipe.search(ratings)
        learnt = recipe.learn("evaluation", book, best.epoch)
        _write_ladder(workspace, params, catalogue, book, inputs)
    facts = {"epochs": best.epoch, "rows": len(ratings)}
    with write_folder(workspace.evaluation_bundle) as target:
        save_bundle(
            make_bundle(
                params, params.train.family, learnt.weights, learnt.catalogue, book, inputs, facts
            ),
            target,
        )
        digest = seal_bundle(target)
    note_machine(workspace, digest, device, settings)
    _write_reports(workspace, params, best, history, ratings)
    shutil.rmtree(folder, ignore_errors=True)
    log.info("training ended epochs=%d valid_rmse=%.4f", best.epoch, best.rmse)


def checkpoint_folder(
    workspace: Workspace, step: str, inputs: dict[str, str], params: Params, device: str
) -> Path:
    """Return where a step's checkpoints lie: another input, parameter or device, another folder."""
    import torch

    described = {
        "step": step,
        "inputs": inputs,
        "params": _sections(params),
        "device": device,
        "torch": str(torch.__version__),
    }
    return workspace.cache / "checkpoints" / hash_json(described)


def make_bundle(
    params: Params,
    family: str,
    weights: Weights,
    catalogue: Catalogue,
    book: UserBook,
    inputs: dict[str, str],
    facts: dict[str, int],
) -> Bundle:
    """Return a bundle that remembers the sections of params.yaml that made it."""
    scale = (params.data.rating_min, params.data.rating_max)
    sections = _sections(params)
    return Bundle(family, weights, catalogue, book, scale, sections, inputs, dict(facts))


def _sections(params: Params) -> dict[str, object]:
    return {
        "data": params.data.model_dump(mode="json"),
        "train": params.train.model_dump(mode="json"),
        "families": {params.train.family: params.options.model_dump(mode="json")},
        "trending": params.trending.model_dump(mode="json"),
    }


def _write_ladder(
    workspace: Workspace,
    params: Params,
    catalogue: Catalogue,
    book: UserBook,
    inputs: dict[str, str],
) -> None:
    with write_folder(workspace.ladder) as folder:
        for rung in RUNGS:
            (folder / rung).mkdir()
            ground = Ground(book, catalogue, {}, params.families.options(rung))
            weights = FITTERS[rung](ground)
            facts = {"rows": len(book.items_N)}
            save_bundle(
                make_bundle(params, rung, weights, catalogue, book, inputs, facts), folder / rung
            )
            seal_bundle(folder / rung)


def _write_reports(
    workspace: Workspace, params: Params, best: Epoch, history: list[Epoch], ratings: pd.DataFrame
) -> None:
    valid = int(ratings["valid"].sum())
    write_json(
        workspace.training_report / "training.json",
        {
            "family": params.train.family,
            "epochs": best.epoch,
            "valid_rmse": best.rmse,
            "rows": {"train": len(ratings) - valid, "valid": valid},
        },
    )
    table = pd.DataFrame(
        [(epoch.epoch, epoch.train_rmse, epoch.rmse) for epoch in history],
        columns=["epoch", "train_rmse", "rmse"],
    )
    content = table.to_csv(index=False, float_format="%.6f")
    write_bytes(workspace.training_report / "history.csv", content.encode())

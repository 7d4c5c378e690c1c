"""The step `refit`: the same recipe on all accepted ratings, for the bundle that will be served."""

import logging
import shutil
from pathlib import Path

from components.devices import pick_device
from components.files import read_json, write_folder, write_json
from components.models.bundle import Bundle, save_bundle, seal_bundle
from components.models.catalogue import UserBook
from components.models.golden import write_golden
from components.models.predictor import Predictor
from components.params import Params
from components.paths import Workspace
from components.settings import Settings
from components.training.golden import ask_golden
from components.training.inputs import (
    ImageVectors,
    read_catalogue,
    read_input_digests,
    read_ratings,
    read_vectors,
)
from components.training.learnt import Sight
from components.training.machine import note_machine
from components.training.pictures import Pictures, read_image_bytes, read_image_files
from components.training.recipe import Recipe
from components.training.step import checkpoint_folder, make_bundle
from components.training.threads import limit_threads

log = logging.getLogger(__name__)


def refit(workspace: Workspace, params: Params, settings: Settings) -> None:
    """Learn from all accepted ratings, for the epochs that `train` found, and add what serves.

    Writes models/served (with encoder/ and golden/) and reports/refit.json. A run that was killed
    goes on from its last checkpoint and ends with the same bytes.
    """
    device = pick_device(settings)
    inputs = read_input_digests(workspace, "refit", split=False)
    epochs: int = read_json(workspace.training_report / "training.json")["epochs"]
    vectors = read_vectors(workspace)
    catalogue = read_catalogue(workspace, vectors)
    book = UserBook.from_ratings(read_ratings(workspace, split=False), catalogue)
    rows = len(book.items_N)
    log.info("refit started family=%s rows=%d epochs=%d", params.train.family, rows, epochs)
    folder = checkpoint_folder(workspace, f"refit {epochs}", inputs, params, device)
    pictures = Pictures.of(workspace, settings)
    with limit_threads(rows, settings, params.options):
        recipe = Recipe.of(params, catalogue, device, folder, workspace.live_history, pictures)
        learnt = recipe.learn("served", book, epochs)
        facts = {"epochs": epochs, "rows": rows}
        bundle = make_bundle(
            params, params.train.family, learnt.weights, learnt.catalogue, book, inputs, facts
        )
        with write_folder(workspace.served_bundle) as target:
            digest = _write_served(target, workspace, params, bundle, learnt.sight, vectors)
    note_machine(workspace, digest, device, settings)
    report = {"family": bundle.family, "rows": rows, "epochs": epochs, "digest": digest}
    write_json(workspace.refit_report, report)
    shutil.rmtree(folder, ignore_errors=True)
    log.info("refit ended digest=%s", digest)


def _write_served(
    target: Path,
    workspace: Workspace,
    params: Params,
    bundle: Bundle,
    sight: Sight | None,
    vectors: ImageVectors,
) -> str:
    save_bundle(bundle, target)
    if sight is None:
        shutil.copytree(workspace.embeddings / "encoder", target / "encoder")
    else:
        sight.encoder.save(target / "encoder")
    paths = read_image_files(workspace)
    golden = ask_golden(
        Predictor(bundle),
        vectors if sight is None else sight.vectors,
        {sha256: Path(path).name for sha256, path in paths.items()},
        pairs=params.refit.golden_questions,
        images=params.refit.golden_images,
        seed=params.refit.seed,
    )
    contents = {
        image.sha256: read_image_bytes(workspace.root, paths[image.sha256], image.sha256)
        for image in golden.images
    }
    write_golden(target / "golden", golden, contents)
    return seal_bundle(target)

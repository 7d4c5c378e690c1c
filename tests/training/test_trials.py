from collections.abc import Callable

import numpy as np
import pytest

from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings
from components.training.live_history import Epoch
from components.training.recipe import Recipe
from components.training.trials import (
    Material,
    forget,
    learn,
    rate_valid,
    read_material,
    search_epochs,
)


class _StoppedError(Exception):
    pass


@pytest.fixture
def material(workspace: Workspace, settings: Settings) -> Material:
    return read_material(workspace, settings)


@pytest.fixture
def choose(workspace: Workspace, shrink: Callable[..., Params]) -> Callable[..., Params]:
    def change(family: str, **changed: object) -> Params:
        return shrink(load_params(workspace.params), family=family, **changed)

    return change


def checkpoints(workspace: Workspace) -> list[str]:
    return [path.name for path in (workspace.cache / "checkpoints").glob("*")]


def test_nothing_is_asked_of_the_test_rows(workspace: Workspace, settings: Settings):
    (workspace.split / "test.parquet").unlink()
    material = read_material(workspace, settings)
    assert len(material.valid) + len(material.learnt_from) == len(material.ratings)


def test_each_epoch_is_heard_as_the_step_would_log_it(
    workspace: Workspace, material: Material, choose
):
    heard: list[Epoch] = []
    best = search_epochs(material, choose("hybrid"), heard.append)
    live = workspace.live_history
    live.parent.mkdir(parents=True, exist_ok=True)
    recipe = Recipe.of(choose("hybrid"), material.catalogue, "cpu", workspace.cache / "other", live)
    assert recipe.search(material.ratings) == (best, heard)


def test_pipeline_s_own_history_is_left_alone(workspace: Workspace, material: Material, choose):
    search_epochs(material, choose("hybrid"), lambda epoch: None)
    assert not workspace.live_history.exists()


def test_search_that_was_ended_goes_on_and_tells_all_epochs_again(material: Material, choose):
    whole: list[Epoch] = []
    params = choose("hybrid")
    search_epochs(material, params, whole.append)
    again: list[Epoch] = []
    search_epochs(material, params, again.append)  # from its last checkpoint: nothing left to do
    assert again == whole


def test_hearer_ends_a_search_by_an_error(material: Material, choose):
    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        search_epochs(material, choose("mf"), stop)


def test_valid_rows_are_rated_as_they_were_at_the_best_epoch(material: Material, choose):
    params = choose("hybrid")
    best = search_epochs(material, params, lambda epoch: None)
    rated_B = rate_valid(material, params, best.epoch)
    errors_B = material.valid["rating"].to_numpy() - rated_B
    assert np.sqrt(np.square(errors_B).mean()) == pytest.approx(best.rmse, abs=1e-5)


def test_checkpoints_are_gone_when_forgotten(workspace: Workspace, material: Material, choose):
    search_epochs(material, choose("mf"), lambda epoch: None)
    assert len(checkpoints(workspace)) == 1
    forget(material, choose("biases"))
    assert len(checkpoints(workspace)) == 1
    forget(material, choose("mf"))
    assert checkpoints(workspace) == []


@pytest.mark.parametrize("family", ["biases", "mf"])
def test_bundle_says_what_it_was_learnt_from(material: Material, choose, family: str):
    bundle = learn(material, choose(family), material.ratings, 2)
    assert (bundle.family, bundle.inputs) == (family, material.inputs)
    assert bundle.facts == {"epochs": 2, "rows": len(material.ratings)}


def test_family_that_fine_tunes_finds_its_pictures(
    workspace: Workspace, settings: Settings, give_eyes: Callable[..., None], choose
):
    give_eyes(workspace.root)
    material = read_material(workspace, settings)
    params = choose("finetuned", warmup_epochs=0, encoder_learning_rate=0.003, images=8)
    bundle = learn(material, params, material.learnt_from, 2)
    seen_IE, embedded_IE = bundle.catalogue.embeddings_IE, material.catalogue.embeddings_IE
    assert seen_IE.shape == embedded_IE.shape
    assert not np.array_equal(seen_IE, embedded_IE)

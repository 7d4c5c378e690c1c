"""How the end-to-end family sees items."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from components.family_params import Finetuned
from components.files import read_parquet
from components.models.catalogue import Catalogue
from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings
from components.training.eye import Eye
from components.training.gallery import NO_IMAGE
from components.training.inputs import pool_catalogue, read_vectors
from components.training.pictures import Pictures

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = Settings(device="cpu", threads=2)


@pytest.fixture(scope="module")
def catalogue(seeing: Workspace) -> Catalogue:
    """Items with one image, with three, with two of which another has one too, and with none."""
    names = read_parquet(seeing.accepted / "images.parquet")["sha256"].tolist()
    shown = [[names[0]], names[1:4], names[4:6], [names[5]], []]
    items = pd.DataFrame({"item_id": [f"i{row}" for row in range(len(shown))], "images": shown})
    return pool_catalogue(items, read_vectors(seeing))


@pytest.fixture
def open_eye(
    seeing: Workspace, catalogue: Catalogue, shrink: Callable[..., Params]
) -> Callable[..., Eye]:
    def open_eye(**changed: object) -> Eye:
        params = shrink(load_params(seeing.params), "finetuned", **{"images": 3, **changed})
        options = params.options
        assert isinstance(options, Finetuned)
        return Eye(catalogue, Pictures.of(seeing, SETTINGS), options, "cpu")

    return open_eye


@pytest.fixture
def unchanged() -> dict[str, float]:
    nothing = ("rotation", "flip", "brightness", "contrast", "saturation", "hue")
    return {"crop": 1.0, "aspect": 1.0, **dict.fromkeys(nothing, 0.0)}


def show(eye: Eye, query_E: torch.Tensor | None = None, seed: int = 0) -> np.ndarray:
    """Return what an epoch sees of the items (5, E)."""
    seen_IE = np.full((5, eye.width), np.nan, np.float32)
    for views, pixels in eye.show(np.arange(5), torch.Generator().manual_seed(seed)):
        places = torch.from_numpy(views.places_JV)
        seen_IE[views.items_J] = eye.look(pixels, places, query_E).detach().numpy()
    return seen_IE


def test_each_distinct_image_of_a_batch_is_encoded_once(
    open_eye: Callable[..., Eye], monkeypatch: pytest.MonkeyPatch
) -> None:
    eye, encoded = open_eye(images=100), []
    encode = eye.trunk.encode
    monkeypatch.setattr(eye.trunk, "encode", lambda p: encoded.append(len(p)) or encode(p))
    (batch,) = list(eye.show(np.arange(5), torch.Generator()))
    views, pixels = batch
    eye.look(pixels, torch.from_numpy(views.places_JV), None)
    assert encoded == [6]  # seven showings, one image twice
    assert (views.places_JV != NO_IMAGE).sum() == 7


def test_pictures_that_are_not_changed_give_the_catalogues_embeddings(
    open_eye: Callable[..., Eye], catalogue: Catalogue, unchanged: dict[str, float]
) -> None:
    eye = open_eye()
    augmentation = eye._options.augmentation.model_copy(update=unchanged)
    plain = open_eye(augmentation=augmentation)
    np.testing.assert_allclose(show(plain), catalogue.embeddings_IE, atol=1e-4)
    assert np.abs(show(eye) - catalogue.embeddings_IE).max() > 0.01


def test_epoch_of_the_same_seed_shows_the_same_pixels(open_eye: Callable[..., Eye]) -> None:
    eye = open_eye()
    first, again, other = (show(eye, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_attention_begins_as_the_mean_and_learns_which_image_counts(
    open_eye: Callable[..., Eye],
) -> None:
    eye = open_eye(images=100)
    ((views, pixels),) = list(eye.show(np.arange(5), torch.Generator()))
    places = torch.from_numpy(views.places_JV)
    query_E = torch.zeros(eye.width, requires_grad=True)
    mean_JE, attended_JE = eye.look(pixels, places, None), eye.look(pixels, places, query_E)
    torch.testing.assert_close(attended_JE, mean_JE)
    attended_JE.square().sum().backward()
    assert query_E.grad is not None
    assert query_E.grad.abs().max() > 0
    turned_JE = eye.look(pixels, places, query_E.grad * 100)
    several_J = torch.from_numpy((views.places_JV != NO_IMAGE).sum(1) > 1)
    assert (turned_JE - mean_JE).abs().amax(1)[several_J].min() > 1e-3
    torch.testing.assert_close(turned_JE[~several_J], mean_JE[~several_J])


@pytest.mark.parametrize("turned", [False, True])
def test_torch_and_numpy_pool_alike(
    open_eye: Callable[..., Eye], unchanged: dict[str, float], turned: bool
) -> None:
    augmentation = open_eye()._options.augmentation.model_copy(update=unchanged)
    eye = open_eye(augmentation=augmentation)
    query_E = np.random.default_rng(0).normal(size=eye.width).astype(np.float32) if turned else None
    by_torch = show(eye, None if query_E is None else torch.from_numpy(query_E))
    np.testing.assert_allclose(by_torch, eye.see(np.arange(5), query_E), atol=1e-4)


def test_item_without_image_is_zeros(open_eye: Callable[..., Eye]) -> None:
    eye = open_eye()
    assert not eye.see(np.array([4]), None).any()
    assert not show(eye)[4].any()
    assert eye.has_image(np.array([3, 4])).tolist() == [True, False]


def test_all_that_is_seen_at_the_end_is_the_finished_encoders(
    open_eye: Callable[..., Eye], catalogue: Catalogue, seeing: Workspace
) -> None:
    eye = open_eye()
    with torch.no_grad():
        next(iter(eye.trunk.trained.values())).mul_(1.1)
    after, sight = eye.see_all(None)
    assert sight.vectors.sha256s == read_vectors(seeing).sha256s
    assert after.items is catalogue.items
    np.testing.assert_allclose(after.embeddings_IE, eye.see(np.arange(5), None), atol=1e-4)
    assert np.abs(after.embeddings_IE - catalogue.embeddings_IE).max() > 1e-3
    np.testing.assert_array_equal(after.has_image_I, catalogue.has_image_I)


def test_waiting_for_pictures_is_told(
    open_eye: Callable[..., Eye], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        show(open_eye())
    assert "pictures learnt from count=" in caplog.text
    assert "waited=" in caplog.text

"""The end-to-end family learnt in a small workspace, from pixels to the served bundle."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from components.errors import CorruptFileError
from components.family_params import Finetuned, LookOptions
from components.features.encoders import open_encoder
from components.files import hash_tree, read_json, read_parquet
from components.models.bundle import Bundle, load_bundle
from components.models.catalogue import Catalogue, UserBook
from components.models.golden import read_golden, read_golden_image
from components.models.predictor import Predictor
from components.models.protocol import Weights
from components.params import Params, load_params
from components.paths import Workspace
from components.settings import Settings
from components.training import loop
from components.training.checkpoints import Checkpoints
from components.training.eye import Eye
from components.training.families import LEARNERS, Setting, fit_statistics
from components.training.finetuned import FinetunedLearner, SeenRows
from components.training.inputs import read_catalogue, read_ratings, read_vectors
from components.training.live_history import LiveHistory
from components.training.pictures import Pictures
from components.training.refit import refit
from components.training.step import train
from components.training.tensors import Interactions

pytestmark = pytest.mark.usefixtures("one_thread")

WARM, TUNED = 2, 4


@pytest.fixture
def place(seeing: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(seeing.root, tmp_path / "here")
    return Workspace(tmp_path / "here")


@pytest.fixture
def pick(seeing: Workspace, shrink: Callable[..., Params]) -> Callable[..., Params]:
    """Return few parameters that learn quickly: two epochs of the head, then of all."""

    def pick(**changed: object) -> Params:
        small = {
            "warmup_epochs": WARM,
            "max_epochs": TUNED,
            "patience": 9,
            "images": 8,
            "encoder_learning_rate": 0.003,
            **changed,
        }
        return shrink(load_params(seeing.params), "finetuned", **small)

    return pick


@pytest.fixture(scope="module")
def catalogue(seeing: Workspace) -> Catalogue:
    return read_catalogue(seeing, read_vectors(seeing))


@pytest.fixture(scope="module")
def statistics(catalogue: Catalogue) -> Weights:
    return fit_statistics(catalogue, LookOptions(image_factors=3))


@pytest.fixture
def begin(
    seeing: Workspace, settings: Settings, catalogue: Catalogue, statistics: Weights
) -> Callable[[Params], FinetunedLearner]:
    """Return a function of parameters to a learner that knows all train rows."""
    book = UserBook.from_ratings(read_ratings(seeing, split=True), catalogue)

    def begin(params: Params) -> FinetunedLearner:
        options = params.options
        return FinetunedLearner(
            book,
            Interactions.from_book(book, len(catalogue), "cpu"),
            catalogue,
            statistics,
            Eye(catalogue, Pictures.of(seeing, settings), options, "cpu"),
            options,
            torch.Generator().manual_seed(0),
        )

    return begin


def outs(workspace: Workspace) -> dict[str, str]:
    return hash_tree(workspace.root / "models") | hash_tree(workspace.root / "reports")


def force_epochs(workspace: Workspace, epochs: int) -> None:
    """Let refit learn for so many epochs, whatever the valid rows preferred."""
    path = workspace.training_report / "training.json"
    path.write_text(
        path.read_text().replace(f'"epochs": {read_epochs(path)}', f'"epochs": {epochs}')
    )


def read_epochs(path: Path) -> int:
    epochs: int = read_json(path)["epochs"]
    return epochs


def learn_all(
    learner: FinetunedLearner, params: Params, folder: Path, epochs: int = TUNED
) -> torch.Generator:
    generator = torch.Generator().manual_seed(0)
    task = loop.Task("served", learner._interactions, epochs, None, (0.5, 5.0))
    checkpoints = Checkpoints(folder / "checkpoints", 0)
    live = LiveHistory(folder / "live.jsonl")
    loop.fit(learner, task, params.options, generator, checkpoints, live)
    return generator


def served(workspace: Workspace, params: Params, settings: Settings) -> Bundle:
    train(workspace, params, settings)
    force_epochs(workspace, TUNED)
    refit(workspace, params, settings)
    return load_bundle(workspace.served_bundle)


def test_served_encoder_sees_an_upload_as_the_catalogue_has_it_and_again_to_the_byte(
    place: Workspace, pick: Callable[..., Params], settings: Settings
) -> None:
    bundle = served(place, pick(), settings)
    encoder = open_encoder(place.served_bundle / "encoder", "cpu")
    first = outs(place)
    assert encoder.digest != open_encoder(place.embeddings / "encoder", "cpu").digest
    paths = read_parquet(place.accepted / "images.parquet").set_index("sha256")["path"]
    item = 3
    (sha256,) = bundle.catalogue.items["images"].iloc[item]
    embedding_E = encoder.encode([Image.open(place.root / paths[sha256]).convert("RGB")])[0]
    np.testing.assert_allclose(embedding_E, bundle.catalogue.embeddings_IE[item], atol=1e-4)
    old = read_catalogue(place, read_vectors(place))
    assert np.abs(bundle.catalogue.embeddings_IE - old.embeddings_IE).max() > 0.01
    predictor = Predictor(bundle)
    golden = read_golden(place.served_bundle / "golden")
    assert golden.images
    for image in golden.images:
        read_golden_image(place.served_bundle / "golden", image)
        picture = Image.open(place.served_bundle / "golden" / image.file).convert("RGB")
        side = predictor.fold_image(encoder.encode([picture])[0])
        assert side.paths == ("images",)
        for user, rating in image.ratings:
            answered = predictor.rate(predictor.fold_user(user), side)[0]
            assert answered == pytest.approx(rating, abs=1e-4)
    shutil.rmtree(place.cache, ignore_errors=True)
    served(place, pick(), settings)
    assert outs(place) == first


def test_best_epoch_of_the_warm_up_leaves_the_encoder_as_it_was(
    place: Workspace, pick: Callable[..., Params], settings: Settings
) -> None:
    params = pick(max_epochs=WARM)
    train(place, params, settings)
    refit(place, params, settings)
    assert hash_tree(place.served_bundle / "encoder") == hash_tree(place.embeddings / "encoder")
    bundle, old = load_bundle(place.evaluation_bundle), read_catalogue(place, read_vectors(place))
    np.testing.assert_array_equal(bundle.catalogue.embeddings_IE, old.embeddings_IE)


@pytest.mark.parametrize("after", [1, 3])
def test_fit_that_was_cut_goes_on_to_the_same_bits(
    begin: Callable[..., FinetunedLearner],
    pick: Callable[..., Params],
    tmp_path: Path,
    after: int,
) -> None:
    params = pick(pooling="attention")
    whole, cut, resumed = begin(params), begin(params), begin(params)
    drawn = learn_all(whole, params, tmp_path / "whole")
    learn_all(cut, params, tmp_path / "cut", epochs=after)
    assert torch.equal(learn_all(resumed, params, tmp_path / "cut").get_state(), drawn.get_state())
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    items = torch.arange(24)
    rows = loop.Rows(torch.zeros(24, dtype=torch.int64), items)
    with torch.no_grad():
        assert torch.equal(resumed.rate(rows, None), whole.rate(rows, None))


def steps(learner: FinetunedLearner) -> Iterator[loop.Rows]:
    learner.epoch.fill_(WARM)  # the next epoch shows pictures
    return learner.batches(torch.Generator().manual_seed(3))


@pytest.mark.parametrize("images", [8, 5])
def test_accumulated_batches_give_the_gradient_of_one_large_batch(
    begin: Callable[..., FinetunedLearner], pick: Callable[..., Params], images: int
) -> None:
    gradients = []
    for size in (images, 1000):
        params = pick(images=size, id_dropout=0.0, crop=1.0)
        learner = begin(params)
        learner.image.data.normal_(generator=torch.Generator().manual_seed(1))
        batches = list(steps(learner))
        assert (len(batches) > 1) == (size == images)
        # The large one shows the same changed pictures: those of the first fill it.
        if size == images:
            pixels_of = {
                int(item): batch.pixels_PSS3[place]
                for batch in batches
                for item, place in zip(
                    batch.items_B.tolist(), batch.places_JV[batch.shown_B, 0].tolist(), strict=True
                )
            }
        else:
            (large,) = batches
            for item, place in zip(
                large.items_B.tolist(), large.places_JV[large.shown_B, 0].tolist(), strict=True
            ):
                large.pixels_PSS3[place] = pixels_of[item]
        squared, loss = loop._add_gradients(
            learner, batches, learner._interactions, torch.Generator()
        )
        tensors = {name: tensor.grad for name, tensor in learner.named_parameters()}
        gradients.append((squared, loss, tensors))
    (first, first_loss, ours), (second, second_loss, theirs) = gradients
    assert first == pytest.approx(second, rel=1e-5)
    assert first_loss == pytest.approx(second_loss, rel=1e-5)
    for name, gradient in ours.items():
        scale = float(theirs[name].abs().max())
        torch.testing.assert_close(gradient, theirs[name], atol=1e-4 * scale, rtol=1e-3)


def test_accumulation_takes_fewer_steps(
    begin: Callable[..., FinetunedLearner],
    pick: Callable[..., Params],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []
    add = loop._add_gradients
    monkeypatch.setattr(loop, "_add_gradients", lambda *a: taken.append(len(a[1])) or add(*a))
    params = pick(accumulate=2, warmup_epochs=0, batches=3)
    learn_all(begin(params), params, tmp_path, epochs=1)
    assert taken == [2, 1]  # 21 rated items with an image each, eight a batch


def test_accumulation_leaves_the_steps_of_the_warm_up_as_they_are(
    begin: Callable[..., FinetunedLearner], pick: Callable[..., Params]
) -> None:
    learner = begin(pick(accumulate=3, batches=2))
    assert len(list(learner.batches(torch.Generator()))) == 6


def test_every_learnt_row_is_seen_once_an_epoch_and_each_image_encoded_once(
    begin: Callable[..., FinetunedLearner],
    pick: Callable[..., Params],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner = begin(pick())
    encoded: list[int] = []
    encode = learner._eye.trunk.encode
    monkeypatch.setattr(learner._eye.trunk, "encode", lambda p: encoded.append(len(p)) or encode(p))
    own = []
    for rows in steps(learner):
        assert isinstance(rows, SeenRows)
        learner.rate(rows, torch.Generator())
        own += rows.own_B.tolist()
    assert sorted(own) == list(range(len(learner._interactions)))
    assert sum(encoded) == 21 < len(own) / 10


def test_warm_up_touches_no_picture(
    begin: Callable[..., FinetunedLearner],
    pick: Callable[..., Params],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params = pick()
    learner = begin(params)
    monkeypatch.setattr(Pictures, "read", lambda *_: pytest.fail("a picture was read"))
    before = [tensor.clone() for tensor in learner.encoder]
    learn_all(learner, params, tmp_path, epochs=WARM)
    assert learner.see() is None
    assert all(torch.equal(a, b) for a, b in zip(before, learner.encoder, strict=True))


def test_head_and_encoder_learn_at_their_own_rates(
    begin: Callable[..., FinetunedLearner], pick: Callable[..., Params]
) -> None:
    learner = begin(pick(pooling="attention"))
    head, encoder = learner.parameter_groups()
    assert "lr" not in head
    assert encoder["lr"] == 0.003
    counted = {id(tensor) for group in (head, encoder) for tensor in group["params"]}
    assert counted == {id(tensor) for tensor in learner.parameters()}
    assert any(tensor is learner.query for tensor in head["params"])


def test_strong_prior_keeps_the_encoder_where_it_was(
    begin: Callable[..., FinetunedLearner], pick: Callable[..., Params], tmp_path: Path
) -> None:
    moved = []
    for prior in (0.0, 1e6):
        params = pick(encoder_prior=prior, warmup_epochs=0)
        learner = begin(params)
        learn_all(learner, params, tmp_path / str(prior), epochs=3)
        pairs = zip(learner.encoder, learner._encoder_start, strict=True)
        moved.append(sum(float((now - start).detach().square().sum()) for now, start in pairs))
    assert moved[1] < moved[0] / 2


def test_attention_is_exported_and_pools_the_catalogue(
    begin: Callable[..., FinetunedLearner], pick: Callable[..., Params], tmp_path: Path
) -> None:
    params = pick(pooling="attention", warmup_epochs=0)
    learner = begin(params)
    assert not learner.export()["pooling"].any()
    learn_all(learner, params, tmp_path, epochs=1)
    assert learner.export()["pooling"].shape == (1024,)
    assert "pooling" not in begin(pick()).export()


def test_patience_counts_from_the_end_of_the_warm_up(pick: Callable[..., Params]) -> None:
    options = pick(warmup_epochs=6, patience=2, accumulate=3).options
    assert isinstance(options, Finetuned)
    assert options.least_epochs() == 8
    assert options.batches_a_step() == 3


def test_missing_picture_stops_the_step_and_leaves_no_bundle(
    place: Workspace, pick: Callable[..., Params], settings: Settings
) -> None:
    for path in (place.root / "data/raw/batches/b/images").iterdir():
        path.unlink()
    with pytest.raises(CorruptFileError, match="beholder fetch b'"):
        train(place, pick(), settings)
    assert not place.evaluation_bundle.exists()


def test_without_pictures_the_family_cannot_begin(
    begin: Callable[..., FinetunedLearner], pick: Callable[..., Params]
) -> None:
    learner, params = begin(pick()), pick()
    setting = Setting(
        UserBook((), np.zeros(1, np.int64), *(np.zeros(0, np.int64) for _ in range(3))),
        learner._interactions,
        learner._eye._catalogue,
        {},
        params.options,
        torch.Generator(),
    )
    with pytest.raises(ValueError, match="learns from pictures"):
        LEARNERS["finetuned"](setting)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_gpu_learns_in_mixed_precision_what_the_cpu_learns(
    place: Workspace, pick: Callable[..., Params], settings: Settings
) -> None:
    found = []
    for device in ("cpu", "cuda"):
        train(place, pick(), settings.model_copy(update={"device": device}))
        found.append(read_json(place.training_report / "training.json")["valid_rmse"])
    assert found[0] == pytest.approx(found[1], abs=0.05)
    refit(place, pick(), settings.model_copy(update={"device": "cuda"}))
    encoder = open_encoder(place.served_bundle / "encoder", "cpu")
    assert encoder.precision == "float32"

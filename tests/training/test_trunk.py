"""An encoder that goes on learning."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from components.features.encoders import Encoder, load_encoder, open_encoder, remove_classifier
from components.paths import Workspace
from components.training.trunk import Trunk, split_stages

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def encoder(seeing: Workspace) -> Encoder:
    return open_encoder(seeing.embeddings / "encoder", "cpu")


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8, generator=generator)


def learn(trunk: Trunk, pixels: torch.Tensor) -> None:
    optimizer = torch.optim.Adam(trunk.trained.values(), lr=1e-3)
    trunk.encode(pixels).square().mean().backward()
    optimizer.step()


def test_before_it_learns_it_sees_what_the_encoder_sees(
    encoder: Encoder, pixels: torch.Tensor
) -> None:
    trunk = Trunk(encoder, 2, bfloat16=False)
    seen_PE = trunk.encode(pixels).detach().numpy()
    assert seen_PE.dtype == np.float32
    np.testing.assert_allclose(seen_PE, encoder.encode_pixels(pixels.numpy()), atol=1e-4)
    assert trunk.finish().digest == encoder.digest


def test_what_was_learnt_is_in_the_finished_encoder(encoder: Encoder, pixels: torch.Tensor) -> None:
    trunk = Trunk(encoder, 2, bfloat16=False)
    learn(trunk, pixels)
    finished = trunk.finish()
    assert finished.digest != encoder.digest
    ours, theirs = finished.encode_pixels(pixels.numpy()), trunk.encode(pixels).detach().numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(ours - encoder.encode_pixels(pixels.numpy())).max() > 1e-3


def test_only_the_last_stages_learn_and_no_batchnorm_does(
    encoder: Encoder, pixels: torch.Tensor
) -> None:
    before = dict(encoder.copy_to_learn().network.state_dict())
    trunk = Trunk(encoder, 1, bfloat16=False)
    learn(trunk, pixels)
    after = trunk.finish().copy_to_learn().network.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == list(trunk.trained) == ["conv5.0.weight"]
    assert [name for name in before if "running_mean" in name]


def test_seeing_a_batch_does_not_move_the_statistics(
    encoder: Encoder, pixels: torch.Tensor
) -> None:
    trunk = Trunk(encoder, 2, bfloat16=False)
    alone = trunk.encode(pixels[:1]).detach()
    trunk.encode(pixels)
    torch.testing.assert_close(trunk.encode(pixels)[:1].detach(), alone, atol=1e-4, rtol=1e-4)


def test_more_stages_than_there_are_means_all(encoder: Encoder) -> None:
    all_of_them = Trunk(encoder, 100, bfloat16=False).trained
    assert "conv1.0.weight" in all_of_them
    assert len(all_of_them) > len(Trunk(encoder, 2, bfloat16=False).trained)


def test_bfloat16_on_the_cpu_is_close_and_returns_float32(
    encoder: Encoder, pixels: torch.Tensor
) -> None:
    exact, mixed = (Trunk(encoder, 1, bfloat16=wide) for wide in (False, True))
    ours, theirs = exact.encode(pixels), mixed.encode(pixels)
    assert theirs.dtype == torch.float32
    assert not torch.equal(ours, theirs)
    similarity = torch.cosine_similarity(ours, theirs, dim=1)
    assert similarity.min() > 0.99
    learn(mixed, pixels)
    assert all(tensor.dtype == torch.float32 for tensor in mixed.trained.values())


def test_efficientnet_lite_learns_and_finishes_under_the_names_of_its_weights() -> None:
    lite0 = load_encoder("efficientnet_lite0", "float32", "cpu")
    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    trunk = Trunk(lite0, 3, bfloat16=False)
    np.testing.assert_allclose(
        trunk.encode(pixels).detach().numpy(), lite0.encode_pixels(pixels.numpy()), atol=1e-4
    )
    learn(trunk, pixels)
    assert {name.split(".")[1] for name in trunk.trained} == {"6", "7", "8"}
    finished = trunk.finish()
    np.testing.assert_allclose(
        finished.encode_pixels(pixels.numpy()), trunk.encode(pixels).detach().numpy(), atol=1e-3
    )


def small_vit() -> nn.Module:
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=4, num_layers=3, num_heads=2, hidden_dim=8, mlp_dim=8
    )


@pytest.mark.parametrize(
    ("build", "stages", "last"),
    [
        (torchvision.models.shufflenet_v2_x0_5, 5, ["conv5.0", "conv5.1"]),
        (torchvision.models.resnet18, 6, ["layer4.1"]),
        (torchvision.models.mobilenet_v3_small, 14, ["classifier"]),
        (small_vit, 4, ["encoder.layers.encoder_layer_2", "encoder.ln"]),
    ],
)
def test_stages_are_found_whatever_they_are_called(
    build: Callable[[], nn.Module], stages: int, last: list[str]
) -> None:
    network = build()
    remove_classifier(network)
    names = {id(part): name for name, part in network.named_modules()}
    found = split_stages(network)
    assert len(found) == stages
    assert [names[id(part)] for part in found[-1]] == last


def test_every_stage_has_a_matrix_to_learn() -> None:
    network = torchvision.models.resnet18()
    remove_classifier(network)
    for stage in split_stages(network):
        assert any(tensor.ndim > 1 for part in stage for tensor in part.parameters())

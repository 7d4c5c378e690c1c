"""Any torchvision classifier by name, without its classifier, with weights already on this disk."""

import difflib
import re
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from components.errors import CorruptFileError, ParameterError
from components.features.preprocessing import Preprocessing
from components.files import hash_file

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.")
# These two turn ImageNet's normalization into one of 0.5 inside, when torchvision loads them.
_NORMALIZED_INSIDE = ("googlenet", "inception_v3")
_OLD_DENSENET_KEY = re.compile(r"\.(norm|relu|conv)\.([12])\.")


def build_network(name: str) -> nn.Module:
    """Return the network with random weights and its classifier; raises as `find_weights`."""
    find_weights(name)
    network: nn.Module = torchvision.models.get_model(name, weights=None)
    return network


def find_weights(name: str) -> Any:
    """Return torchvision's record of a model's default weights (url and transforms).

    Raises ParameterError naming the closest names if torchvision has no classifier of this name.
    """
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        close = difflib.get_close_matches(name, ["efficientnet_lite0", *names])
        raise ParameterError(
            f"embed.encoder {name!r} is no encoder that torchvision has; "
            f"close to it: {', '.join(close) or 'none'}"
        )
    return torchvision.models.get_model_weights(name).DEFAULT


def read_preprocessing(name: str) -> Preprocessing:
    """Return the transforms that the default weights were evaluated with."""
    preset = find_weights(name).transforms()
    inside = name in _NORMALIZED_INSIDE
    return Preprocessing(
        "crop",
        side=preset.crop_size[0],
        resize_side=preset.resize_size[0],
        interpolation=preset.interpolation.value,
        mean=(0.5, 0.5, 0.5) if inside else tuple(preset.mean),
        std=(0.5, 0.5, 0.5) if inside else tuple(preset.std),
    )


def read_weights(name: str) -> dict[str, torch.Tensor]:
    """Read a model's default weights from torch's hub folder, never from the network.

    Raises ParameterError saying which file to put where if it is missing, and CorruptFileError if
    its sha256 does not begin with the digits in its name.
    """
    url = find_weights(name).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        raise ParameterError(
            f"embed.encoder {name!r} needs its weights at {path}; download {url} and put it there, "
            "or set embed.encoder to efficientnet_lite0, whose weights are installed"
        )
    check_name(path)
    tensors: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    if name.startswith("densenet"):
        return {_OLD_DENSENET_KEY.sub(r".\1\2.", key): tensors[key] for key in tensors}
    return tensors


def check_name(path: Path) -> None:
    """Compare a file's sha256 with the digits in its name; torch checks them on download only."""
    digits = _HASH_IN_NAME.search(path.name)
    if digits is None:
        raise CorruptFileError(f"{path} has no part of its sha256 in its name to check it by")
    found = hash_file(path)
    if not found.startswith(digits[1]):
        raise CorruptFileError(
            f"{path} has the sha256 {found}, its name promises {digits[1]}…; "
            "remove it and download it again"
        )

"""Encoders: pretrained networks without their classifiers, from images to embeddings.

An encoder is saved with its own weights, so that whoever opens the folder needs neither the
package nor the hub that they came from. Dimension letters: B images, E width of an embedding,
S side of the square in pixels.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from components.errors import CorruptFileError, ParameterError
from components.features import efficientnet_lite, torchvision_models
from components.features.preprocessing import Pixels, Preprocessing
from components.files import hash_json, read_json, write_bytes, write_json

Floats = npt.NDArray[np.float32]
Tensors = dict[str, torch.Tensor]

# Raise it when the same weights would give other embeddings, so that no stored one is taken.
FORMAT = 1
DESCRIPTION = "encoder.json"
WEIGHTS = "encoder.safetensors"
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Encoder:
    """A network in evaluation mode, ready on its device.

    `digest` names all that decides an embedding: weights, architecture, precision, preprocessing.
    """

    name: str
    precision: str
    preprocessing: Preprocessing
    width: int
    digest: str
    device: str
    _weights: bytes = field(repr=False)
    _network: nn.Module = field(repr=False)

    def encode(self, images: list[Image.Image]) -> Floats:
        """Return the (B, E) embeddings of upright RGB images; B may be 0."""
        side = self.preprocessing.side
        pixels = np.empty((len(images), side, side, 3), np.uint8)
        for row, image in enumerate(images):
            pixels[row] = self.preprocessing.prepare(image)
        return self.encode_pixels(pixels)

    def encode_pixels(self, pixels_BSS3: Pixels) -> Floats:
        """Return the (B, E) embeddings of what `preprocessing.prepare` made."""
        if not len(pixels_BSS3):
            return np.zeros((0, self.width), np.float32)
        with torch.inference_mode(), _exact(self.device):
            batch = normalise(torch.from_numpy(pixels_BSS3).to(self.device), self.preprocessing)
            batch = batch.to(_PRECISIONS[self.precision])
            embeddings: Floats = self._network(batch).flatten(1).float().cpu().numpy()
        return embeddings

    def copy_to_learn(self) -> "Learnable":
        """Return the network as its weights describe it: float32, nothing folded, all frozen."""
        network, _, parameters = _build(self.name, safetensors.torch.load(self._weights))
        network = network.to(self.device).to(memory_format=torch.channels_last)
        return Learnable(network, parameters)

    def replace_weights(self, tensors: Tensors) -> "Encoder":
        """Return the encoder with some of its weights replaced, by the names in `Learnable`."""
        weights = safetensors.torch.load(self._weights)
        for name, tensor in tensors.items():
            weights[name] = tensor.detach().cpu().to(weights[name].dtype)
        return make_encoder(self.name, self.precision, self.preprocessing, weights, self.device)

    def save(self, folder: Path) -> None:
        """Write encoder.json and encoder.safetensors: all that `open_encoder` needs."""
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / WEIGHTS, self._weights)
        write_json(
            folder / DESCRIPTION,
            _describe(self.name, self.precision, self.preprocessing, self.width, self._weights)
            | {"digest": self.digest},
        )


@dataclass(frozen=True)
class Learnable:
    """A network that may go on learning, and its parameters by the names of the saved weights."""

    network: nn.Module
    parameters: dict[str, nn.Parameter]


def load_encoder(name: str, precision: str, device: str) -> Encoder:
    """Return an encoder with its pretrained weights, from the package or from torch's hub folder.

    Raises ParameterError for an unknown name or missing weights, CorruptFileError for damaged
    ones. Weights are never random and never downloaded.
    """
    if name == efficientnet_lite.NAME:
        tensors, preprocessing = efficientnet_lite.read_weights(), efficientnet_lite.PREPROCESSING
    else:
        tensors = torchvision_models.read_weights(name)
        preprocessing = torchvision_models.read_preprocessing(name)
    return make_encoder(name, precision, preprocessing, tensors, device)


def make_encoder(
    name: str, precision: str, preprocessing: Preprocessing, tensors: Tensors, device: str
) -> Encoder:
    """Return an encoder of a known architecture with weights of one's own, classifier included.

    Raises CorruptFileError if they do not fit the network, ParameterError for an unknown name.
    """
    weights = safetensors.torch.save({key: value.contiguous() for key, value in tensors.items()})
    return _assemble(name, precision, preprocessing, weights, device)


def open_encoder(folder: Path, device: str) -> Encoder:
    """Return the encoder that was saved into a folder; needs nothing but that folder.

    Raises CorruptFileError if its bytes are not those that were saved.
    """
    try:
        weights = (folder / WEIGHTS).read_bytes()
        written = read_json(folder / DESCRIPTION)
        if written["format"] != FORMAT:
            raise ValueError(f"format {written['format']}, this version reads {FORMAT}")
        encoder = _assemble(
            written["name"],
            written["precision"],
            _read_preprocessing(written["preprocessing"]),
            weights,
            device,
        )
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise CorruptFileError(f"encoder {folder} cannot be read ({error})") from error
    if encoder.digest != written.get("digest"):
        raise CorruptFileError(
            f"encoder {folder} has the digest {encoder.digest}, {DESCRIPTION} says "
            f"{written.get('digest')}; restore it with 'dvc checkout'"
        )
    return encoder


def normalise(pixels_BSS3: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Return bytes as the (B, 3, S, S) float32 numbers that a network reads."""
    # Seen as (B, 3, S, S) this is channels_last already: the layout that is fastest.
    batch = pixels_BSS3.permute(0, 3, 1, 2).float()
    mean, std = (
        torch.tensor(values, device=batch.device).mul(255)[:, None, None]
        for values in (preprocessing.mean, preprocessing.std)
    )
    return (batch - mean) / std


def fold_batchnorm(network: nn.Module) -> None:
    """Fold each BatchNorm that follows a convolution in a Sequential into that convolution.

    W' = W γ / √(σ² + ε), b' = (b − μ) γ / √(σ² + ε) + β: the same function in half the layers.
    """
    for module in list(network.modules()):
        # A subclass with a forward of its own may not run its layers in this order.
        if not isinstance(module, nn.Sequential) or type(module).forward != nn.Sequential.forward:
            continue
        for place in range(len(module) - 1):
            first, second = module[place], module[place + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[place] = fuse_conv_bn_eval(first, second)
                module[place + 1] = nn.Identity()


def remove_classifier(network: nn.Module) -> int:
    """Replace the last linear layer by nothing and return the width of what remains.

    Raises ParameterError if the network has no linear layer.
    """
    linear = [(name, part) for name, part in network.named_modules() if isinstance(part, nn.Linear)]
    if not linear:
        raise ParameterError(
            f"embed.encoder: {type(network).__name__} has no linear classifier to remove, "
            "so no embedding before it; choose another"
        )
    path, classifier = linear[-1]
    parent, _, child = path.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return classifier.in_features


def _assemble(
    name: str, precision: str, preprocessing: Preprocessing, weights: bytes, device: str
) -> Encoder:
    network, width, _ = _build(name, safetensors.torch.load(weights))
    fold_batchnorm(network)
    network = network.to(device, _PRECISIONS[precision]).to(memory_format=torch.channels_last)
    digest = hash_json(_describe(name, precision, preprocessing, width, weights))
    return Encoder(name, precision, preprocessing, width, digest, device, weights, network)


def _build(name: str, tensors: Tensors) -> tuple[nn.Module, int, dict[str, nn.Parameter]]:
    """Return a frozen network in evaluation mode, its width, and its parameters by name."""
    lite = name == efficientnet_lite.NAME
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are thrown away
        build = efficientnet_lite.build_network
        network = build() if lite else torchvision_models.build_network(name)
    _load_strictly(name, network, tensors)
    network.eval().requires_grad_(False)
    width = remove_classifier(network)
    # By the names of the weights: padding moves layers, and with them their names.
    parameters = dict(network.named_parameters())
    if lite:
        efficientnet_lite.pad_like_tensorflow(network)
    return network, width, parameters


def _load_strictly(name: str, network: nn.Module, tensors: Tensors) -> None:
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CorruptFileError(f"the weights of {name} do not fit the network: {first}") from error


def _describe(
    name: str, precision: str, preprocessing: Preprocessing, width: int, weights: bytes
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": name,
        "precision": precision,
        "input_size": preprocessing.side,
        "preprocessing": asdict(preprocessing),
        "width": width,
        "weights": hashlib.sha256(weights).hexdigest(),
    }


def _read_preprocessing(written: dict[str, Any]) -> Preprocessing:
    triples = {key: tuple(written[key]) for key in ("mean", "std")}
    return Preprocessing(**(written | triples))


@contextlib.contextmanager
def _exact(device: str) -> Iterator[None]:
    # By default CUDA's convolutions round float32 to 10 bits (TF32), and may differ run by run.
    if device != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield

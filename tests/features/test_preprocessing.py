import numpy as np
import torch
from PIL import Image
from torchvision.models import ResNet18_Weights

from components.features.efficientnet_lite import PREPROCESSING
from components.features.preprocessing import Preprocessing
from components.features.torchvision_models import read_preprocessing


def test_stretch_keeps_the_whole_picture() -> None:
    picture = Image.new("RGB", (100, 300), "black")
    picture.paste("white", (0, 0, 100, 30))
    picture.paste("white", (0, 270, 100, 300))
    pixels = PREPROCESSING.prepare(picture)
    assert pixels.shape == (224, 224, 3)
    assert pixels[5].min() > 250
    assert pixels[-5].min() > 250
    assert pixels[112].max() < 5


def test_crop_equals_the_transforms_of_torchvisions_weights() -> None:
    rng = np.random.default_rng(0)
    for width, height in ((185, 278), (401, 223), (256, 256)):
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        ours = read_preprocessing("resnet18")
        pixels = ours.prepare(picture).astype(np.float32) / 255
        seen = (pixels - np.float32(ours.mean)) / np.float32(ours.std)
        theirs = ResNet18_Weights.DEFAULT.transforms()(picture)
        assert torch.allclose(torch.from_numpy(seen).permute(2, 0, 1), theirs, atol=1e-6)


def test_crop_of_a_square_smaller_than_the_crop_is_filled() -> None:
    assert read_preprocessing("resnet18").prepare(Image.new("RGB", (3, 9))).shape == (224, 224, 3)


def test_line_of_pixels_is_cut_before_it_is_enlarged() -> None:
    preprocessing = Preprocessing("crop", 224, 256, "bilinear", (0.5,) * 3, (0.5,) * 3)
    for size in ((20_000_000, 1), (1, 20_000_000)):
        assert preprocessing.prepare(Image.new("RGB", size, "red")).shape == (224, 224, 3)


def test_cutting_the_ends_off_leaves_the_middle_as_it_was() -> None:
    preprocessing = Preprocessing("crop", 8, 8, "bilinear", (0.5,) * 3, (0.5,) * 3)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3208, 3), np.uint8)
    middle = pixels[:, 1600:1608]
    np.testing.assert_array_equal(preprocessing.prepare(Image.fromarray(pixels)), middle)

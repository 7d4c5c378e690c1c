"""Random changes of a picture while it is learnt from: crop, rotation, flip and colour.

What is random is drawn apart from what is done with it, so that workers in any order make the same
pictures from the same seed. S is the side of the square in pixels that an encoder reads.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Generator
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from components.family_params import Augmentation
from components.features.preprocessing import Pixels, Preprocessing


class Draw(NamedTuple):
    """Ten numbers in [0, 1) that decide one picture's changes."""

    area: float
    aspect: float
    left: float
    top: float
    turn: float
    flip: float
    brightness: float
    contrast: float
    saturation: float
    hue: float


def draw_changes(count: int, generator: Generator) -> list[Draw]:
    """Return the draws of so many pictures; `generator` is on the CPU."""
    table = torch.rand(count, len(Draw._fields), generator=generator, dtype=torch.float64)
    return [Draw(*row) for row in table.tolist()]


def augment(
    image: Image.Image, draw: Draw, options: Augmentation, preprocessing: Preprocessing
) -> Pixels:
    """Return the changed picture's pixels (S, S, 3), in the encoder's own geometry.

    Random resized crop after Szegedy et al. (2015), "Going deeper with convolutions", section 6.
    With options that change nothing, an encoder that stretches pictures sees what
    `preprocessing.prepare` gives.
    """
    if options.rotation > 0:
        # Corners that a turn lays bare get the colour that the encoder takes for nothing at all.
        fill = [round(255 * channel) for channel in preprocessing.mean]
        angle = _between(-options.rotation, options.rotation, draw.turn)
        image = functional.rotate(image, angle, InterpolationMode.BILINEAR, fill=fill)
    top, left, height, width = place_crop(
        image.width, image.height, draw, options, square=preprocessing.fit == "crop"
    )
    image = functional.resized_crop(
        image,
        top,
        left,
        height,
        width,
        [preprocessing.side, preprocessing.side],
        InterpolationMode(preprocessing.interpolation),
    )
    if draw.flip < options.flip:
        image = functional.horizontal_flip(image)
    return np.asarray(_recolour(image, draw, options))


def place_crop(
    width: int, height: int, draw: Draw, options: Augmentation, *, square: bool
) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) of a crop inside a picture.

    It keeps a share of the area between `options.crop` and 1, and stretches the picture's own
    shape, or a square, by a factor of up to `options.aspect`.
    """
    share = _between(options.crop, 1, draw.area)
    stretch = math.exp(_between(-1, 1, draw.aspect) * math.log(options.aspect))
    side = math.sqrt(width * height)
    base_width, base_height = (side, side) if square else (width, height)
    cut_width = _inside(base_width * math.sqrt(share * stretch), width)
    cut_height = _inside(base_height * math.sqrt(share / stretch), height)
    top = round(draw.top * (height - cut_height))
    left = round(draw.left * (width - cut_width))
    return top, left, cut_height, cut_width


def _recolour(image: Image.Image, draw: Draw, options: Augmentation) -> Image.Image:
    for name in ("brightness", "contrast", "saturation"):
        reach: float = getattr(options, name)
        if reach > 0:
            factor = _between(1 - reach, 1 + reach, getattr(draw, name))
            image = getattr(functional, f"adjust_{name}")(image, factor)
    if options.hue > 0:
        image = functional.adjust_hue(image, _between(-options.hue, options.hue, draw.hue))
    return image


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _inside(length: float, limit: int) -> int:
    return max(1, min(limit, round(length)))

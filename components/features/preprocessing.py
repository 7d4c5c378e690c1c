"""From an upright RGB image to the square of bytes that an encoder reads.

Dimension letters: B images, S side of the square in pixels.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

# A line of pixels, resized until its shorter side is wide enough, would take all memory.
_LONGEST = 200


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes pixels; `mean` and `std` are of channels in 0 to 1.

    `fit` "stretch" resizes the whole image to the square, whatever its shape; "crop" resizes the
    shorter side to `resize_side` and takes the square in the middle.
    """

    fit: Literal["stretch", "crop"]
    side: int
    resize_side: int
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def prepare(self, image: Image.Image) -> Pixels:
        """Return the (S, S, 3) pixels of an RGB image."""
        filter_ = Image.Resampling[self.interpolation.upper()]
        if self.fit == "stretch":
            return np.asarray(image.resize((self.side, self.side), filter_))
        shorter = min(image.size)
        if max(image.size) > _LONGEST * shorter:
            image = _cut_ends(image, _LONGEST * shorter)
        # Truncated as torchvision truncates, so that its weights see what they were trained on.
        width, height = (int(self.resize_side * length / shorter) for length in image.size)
        left, top = round((width - self.side) / 2), round((height - self.side) / 2)
        scaled = image.resize((width, height), filter_)
        return np.asarray(scaled.crop((left, top, left + self.side, top + self.side)))


def _cut_ends(image: Image.Image, length: int) -> Image.Image:
    """Return the middle of an image, no longer than that either way."""
    left, top = (max(0, (side - length) // 2) for side in image.size)
    width, height = (min(side, length) for side in image.size)
    return image.crop((left, top, left + width, top + height))

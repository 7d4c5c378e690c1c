"""From an upright RGB image to the square of bytes that an encoder reads.

Dimension letters: B images, S side of the square in pixels.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


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
        # Truncated as torchvision truncates, so that its weights see what they were trained on.
        width, height = (int(self.resize_side * length / shorter) for length in image.size)
        left, top = round((width - self.side) / 2), round((height - self.side) / 2)
        scaled = image.resize((width, height), filter_)
        return np.asarray(scaled.crop((left, top, left + self.side, top + self.side)))

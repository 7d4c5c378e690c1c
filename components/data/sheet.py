"""The sheet that an art print is drawn on: flat shapes, larger than life for smooth edges.

Coordinates are in units of the picture's width: x from 0 to 1, y from 0 to HEIGHT, downward.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from components.data.palettes import Colour, Palette

HEIGHT = 1.25
_OVERSAMPLE = 3
_GRAIN = 0.014
_MARGIN = 0.065

Point = tuple[float, float]


class Sheet:
    """A print in the making."""

    def __init__(
        self, width: int, palette: Palette, darkness: int, rng: np.random.Generator
    ) -> None:
        self.rng = rng
        self.palette = palette
        self.is_dark = darkness > 0
        self.ground = palette.ground(darkness)
        self.inks = palette.inks(darkness)
        self.line = palette.paper if self.is_dark else palette.ink
        self._width = width
        self._scale = width * _OVERSAMPLE
        self._image = Image.new("RGB", (self._scale, round(self._scale * HEIGHT)), self.ground)
        self._pen = ImageDraw.Draw(self._image)

    def pick(self, *besides: Colour) -> Colour:
        """Return one of the inks, another than those named."""
        inks = [ink for ink in self.inks if ink not in besides] or list(self.inks)
        return inks[int(self.rng.integers(len(inks)))]

    def between(self, low: float, high: float) -> float:
        """Return a number drawn between two."""
        return float(self.rng.uniform(low, high))

    def whole(self, low: float, high: float) -> int:
        """Return a whole number drawn between two, both included."""
        return int(self.rng.integers(round(low), round(high) + 1))

    def chance(self, probability: float) -> bool:
        """Draw yes or no."""
        return bool(self.rng.random() < probability)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._pen.polygon([(x * self._scale, y * self._scale) for x, y in points], fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        self._pen.ellipse(self._around(x, y, radius), fill=colour)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle's outline, inside its radius."""
        pixels = max(1, round(width * self._scale))
        self._pen.ellipse(self._around(x, y, radius), outline=colour, width=pixels)

    def wedge(
        self, x: float, y: float, radius: float, start: float, end: float, colour: Colour
    ) -> None:
        """Fill a sector, from one angle to another in degrees, clockwise from the right."""
        self._pen.pieslice(self._around(x, y, radius), start, end, fill=colour)

    def stroke(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a line through points, with round ends."""
        pixels = max(1, round(width * self._scale))
        scaled = [(x * self._scale, y * self._scale) for x, y in points]
        self._pen.line(scaled, fill=colour, width=pixels, joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, colour)

    @contextmanager
    def overprint(self) -> Iterator[None]:
        """Let what the block adds and what is there shine through one another, like thin ink."""
        below = self._image
        blank, blend = (0, ImageChops.screen) if self.is_dark else (255, ImageChops.multiply)
        self._paint_on(Image.new("RGB", below.size, (blank,) * 3))
        yield
        self._paint_on(blend(below, self._image))

    def finish(self) -> Image.Image:
        """Return the print at its size, within a margin of paper, with a little grain."""
        margin = round(_MARGIN * self._width)
        size = (self._width, round(self._width * HEIGHT))
        inner = (size[0] - 2 * margin, size[1] - 2 * margin)
        print_ = Image.new("RGB", size, self.palette.paper)
        print_.paste(self._image.resize(inner, Image.Resampling.LANCZOS), (margin, margin))
        grain = self.rng.normal(1.0, _GRAIN, (size[1], size[0], 1)).astype(np.float32)
        pixels = np.asarray(print_, dtype=np.float32) * grain
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

    def _paint_on(self, image: Image.Image) -> None:
        self._image = image
        self._pen = ImageDraw.Draw(image)

    def _around(self, x: float, y: float, radius: float) -> tuple[float, float, float, float]:
        left, top, right, bottom = x - radius, y - radius, x + radius, y + radius
        scale = self._scale
        return left * scale, top * scale, right * scale, bottom * scale

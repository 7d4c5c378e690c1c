"""The ten series of art prints, by name and by character."""

from collections.abc import Callable
from dataclasses import dataclass

from components.data.geometric import (
    compose_arches,
    compose_flights,
    compose_rays,
    compose_squares,
    compose_tiles,
    compose_weaves,
)
from components.data.organic import compose_cutouts, compose_hills, compose_leaves, compose_mobiles
from components.data.sheet import Sheet


@dataclass(frozen=True)
class Series:
    """A series of prints; `roundness` and `order` run from −1 to 1."""

    name: str
    roundness: float
    order: float
    compose: Callable[[Sheet, float], None]


SERIES = (
    Series("Arches", 0.9, 0.9, compose_arches),
    Series("Tiles", 0.4, 0.2, compose_tiles),
    Series("Flights", -0.9, -0.9, compose_flights),
    Series("Hills", 0.5, -0.3, compose_hills),
    Series("Leaves", 0.7, 0.7, compose_leaves),
    Series("Mobiles", 0.3, -0.9, compose_mobiles),
    Series("Squares", -1.0, 1.0, compose_squares),
    Series("Rays", -0.4, 0.8, compose_rays),
    Series("Cut-outs", 1.0, -0.7, compose_cutouts),
    Series("Weaves", -1.0, -0.2, compose_weaves),
)

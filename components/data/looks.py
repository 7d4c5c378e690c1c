"""What a print of the demo looks like, as numbers: all that the simulated tastes can read."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.data.compositions import SERIES
from components.data.palettes import PALETTES
from components.data.sheet import Sheet

Floats = npt.NDArray[np.float64]

# Paper, tinted or night ground, and how often each.
_GROUNDS, _GROUND_SHARES = (-1, 0, 1), (0.45, 0.25, 0.30)
FEATURES = ("warmth", "vividness", "darkness", "density", "roundness", "order")


@dataclass(frozen=True)
class Look:
    """`series` and `palette` are positions in their tables; `ground` is −1 (paper) to 1 (night)."""

    series: int
    palette: int
    ground: int
    density: float

    @property
    def title(self) -> str:
        """The palette's and the series' names."""
        return f"{PALETTES[self.palette].name} {SERIES[self.series].name}"

    @property
    def category(self) -> str:
        """The series' name."""
        return SERIES[self.series].name


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a look: every series, palette and density is as likely as any other."""
    return Look(
        series=int(rng.integers(len(SERIES))),
        palette=int(rng.integers(len(PALETTES))),
        ground=int(rng.choice(_GROUNDS, p=_GROUND_SHARES)),
        density=float(rng.random()),
    )


def draw_print(look: Look, width: int, rng: np.random.Generator) -> Image.Image:
    """Draw the picture of a look, `width` pixels wide; `rng` places the shapes."""
    sheet = Sheet(width, PALETTES[look.palette], look.ground, rng)
    SERIES[look.series].compose(sheet, look.density)
    return sheet.finish()


def measure_looks(looks: list[Look]) -> Floats:
    """Return the FEATURES of looks (I, 6), of mean 0 and variance 1 over all possible looks."""
    palettes = np.array([(palette.warmth, palette.vividness) for palette in PALETTES])
    series = np.array([(each.roundness, each.order) for each in SERIES])
    ground_mean = float(np.dot(_GROUNDS, _GROUND_SHARES))
    ground_sd = float(np.dot(np.square(_GROUNDS), _GROUND_SHARES) - ground_mean**2) ** 0.5
    palettes = (palettes - palettes.mean(0)) / palettes.std(0)
    series = (series - series.mean(0)) / series.std(0)
    uniform_sd = (1 / 12) ** 0.5
    rows = [
        (
            *palettes[look.palette],
            (look.ground - ground_mean) / ground_sd,
            (look.density - 0.5) / uniform_sd,
            *series[look.series],
        )
        for look in looks
    ]
    return np.array(rows, dtype=np.float64).reshape(len(looks), len(FEATURES))

"""The ten series of art prints: how each composes its sheet.

Every composition takes the sheet and a density from 0 (sparse) to 1 (full).
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components.data.palettes import Colour, lighten, mix
from components.data.sheet import HEIGHT, Point, Sheet


@dataclass(frozen=True)
class Series:
    """A series of prints; `roundness` and `order` run from −1 to 1."""

    name: str
    roundness: float
    order: float
    compose: Callable[[Sheet, float], None]


def compose_arches(sheet: Sheet, density: float) -> None:
    """Nested arches on legs, one above the other."""
    rows = 1 + round(1.6 * density)
    columns = 1 + round(density)
    height, width = HEIGHT / rows, 1 / columns
    radius = min(0.44 * width, 0.5 * height)
    leg = min(0.9 * height - radius, 1.1 * radius)
    for row in range(rows):
        for column in range(columns):
            x, base = width * (column + 0.5), height * (row + 1) - 0.04 * height
            _arch(sheet, (x, base), radius, leg, bands=3 + round(3 * density))
    if rows == columns == 1:
        sheet.disc(0.5, 0.15, 0.09, sheet.pick())


def _arch(sheet: Sheet, foot: Point, radius: float, leg: float, bands: int) -> None:
    x, base = foot
    previous = sheet.ground
    for band in range(bands):
        outer = radius * (1 - band / bands)
        colour = previous = sheet.ground if band == bands - 1 else sheet.pick(previous)
        sheet.wedge(x, base - leg, outer, 180, 360, colour)
        sheet.box(x - outer, base - leg - 0.002, x + outer, base, colour)


def compose_tiles(sheet: Sheet, density: float) -> None:
    """A grid of quarter circles, half circles and discs."""
    columns = 2 + round(3 * density)
    rows = max(2, round(columns * HEIGHT))
    width, height = 1 / columns, HEIGHT / rows
    for row in range(rows):
        for column in range(columns):
            back = sheet.ground if sheet.chance(0.35) else sheet.pick()
            left, top = column * width, row * height
            sheet.box(left, top, left + width, top + height, back)
            _motif(sheet, (left, top, width, height), back)


def _motif(sheet: Sheet, cell: tuple[float, float, float, float], back: Colour) -> None:
    left, top, width, height = cell
    x, y, size = left + width / 2, top + height / 2, min(width, height)
    front = sheet.pick(back)
    kind, quarter = sheet.whole(0, 4), sheet.whole(0, 3)
    # The corner that the quarter circle fills the cell from.
    corner = (left + width * (quarter in {1, 2}), top + height * (quarter in {2, 3}))
    if kind <= 1:
        sheet.wedge(*corner, size, 90 * quarter, 90 * quarter + 90, front)
        if kind == 1:
            inner = sheet.pick(front)
            sheet.wedge(*corner, 0.5 * size, 90 * quarter, 90 * quarter + 90, inner)
    elif kind == 2:
        edge = top if quarter % 2 else top + height
        start = 0 if quarter % 2 else 180
        sheet.wedge(x, edge, size / 2, start, start + 180, front)
    elif kind == 3:
        sheet.disc(x, y, 0.42 * size, front)
        sheet.disc(x, y, 0.18 * size, sheet.pick(front))
    else:
        opposite = (2 * x - corner[0], 2 * y - corner[1])
        sheet.polygon([corner, (opposite[0], corner[1]), (corner[0], opposite[1])], front)


def compose_flights(sheet: Sheet, density: float) -> None:
    """Bars, a plane and a disc that fly at one angle, as suprematists had them."""
    angle = math.radians(sheet.between(-55, -20))
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    large = sheet.pick()
    _bar(sheet, (0.5, 0.62), (sheet.between(0.25, 0.4), 0.13), along, across, large)
    with sheet.overprint():
        at = (sheet.between(0.25, 0.75), sheet.between(0.3, 0.8))
        sheet.disc(*at, sheet.between(0.1, 0.19), sheet.pick(large))
    for _ in range(4 + round(16 * density)):
        centre = (sheet.between(0.08, 0.92), sheet.between(0.08, HEIGHT - 0.08))
        half = (sheet.between(0.04, 0.26), sheet.between(0.006, 0.035))
        turned = sheet.chance(0.2)
        axes = (across, (-along[0], -along[1])) if turned else (along, across)
        _bar(sheet, centre, half, *axes, sheet.line if sheet.chance(0.25) else sheet.pick())


def _bar(
    sheet: Sheet, centre: Point, half: Point, along: Point, across: Point, colour: Colour
) -> None:
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    sheet.polygon(
        [
            (
                centre[0] + a * half[0] * along[0] + b * half[1] * across[0],
                centre[1] + a * half[0] * along[1] + b * half[1] * across[1],
            )
            for a, b in corners
        ],
        colour,
    )


def compose_hills(sheet: Sheet, density: float) -> None:
    """A sun over layers of hills, paler the farther."""
    sun = (sheet.between(0.25, 0.75), sheet.between(0.26, 0.46))
    radius = sheet.between(0.12, 0.2)
    colour = sheet.pick()
    for halo in range(round(4 * density), 0, -1):
        sheet.disc(*sun, radius * (1 + 0.3 * halo), mix(sheet.ground, colour, 0.42 - 0.09 * halo))
    sheet.disc(*sun, radius, colour)
    layers = 3 + round(5 * density)
    tones = [sheet.pick(colour), sheet.pick(colour)]
    for layer in range(layers):
        share = (layer + 1) / layers
        base = 0.45 + 0.72 * (HEIGHT - 0.45) * share
        tone = mix(mix(tones[0], tones[1], share), sheet.ground, 0.55 * (1 - share))
        _hill(sheet, base, 0.1 * (1.2 - 0.6 * share), lighten(tone, -0.07 * (layer % 2)))


def _hill(sheet: Sheet, base: float, swing: float, colour: Colour) -> None:
    waves = [(sheet.between(0.6, 1.1), 1.0), (sheet.between(1.5, 2.6), 0.4)]
    shifts = [sheet.between(0, 2 * math.pi) for _ in waves]
    ridge = []
    for x in np.linspace(0, 1, 60):
        lift = sum(
            size * math.sin(2 * math.pi * rate * x + shift)
            for (rate, size), shift in zip(waves, shifts, strict=True)
        )
        ridge.append((float(x), base + swing * lift))
    sheet.polygon([*ridge, (1, HEIGHT), (0, HEIGHT)], colour)


def compose_leaves(sheet: Sheet, density: float) -> None:
    """Stems with pairs of leaves, the same on either side."""
    stems = 1 + round(2 * density)
    pairs = 4 + round(4 * density)
    for stem in range(stems):
        x = (stem + 0.5) / stems
        bend = 0.0 if stems == 1 else 0.03 * sheet.between(-1, 1)
        foot, top = HEIGHT - 0.06, sheet.between(0.1, 0.2)
        colours = [sheet.pick(), sheet.pick()]
        length = min(0.4, 0.46 / stems + 0.05)
        for pair in range(pairs):
            share = pair / (pairs - 1)
            y = foot - 0.1 - (foot - 0.12 - top) * share
            size = length * (1 - 0.55 * share)
            for side in (-1, 1):
                tip = (x + side * 0.86 * size + bend * share, y - 0.55 * size)
                _leaf(sheet, (x + bend * share, y), tip, 0.2 * size, colours[pair % 2])
        _leaf(sheet, (x + bend, top + 0.06), (x + bend, top - 0.08), 0.045, colours[pairs % 2])
        sheet.stroke([(x, foot), (x + bend, top + 0.05)], 0.009, sheet.line)


def _leaf(sheet: Sheet, foot: Point, tip: Point, half: float, colour: Colour) -> None:
    (x, y), (dx, dy) = foot, (tip[0] - foot[0], tip[1] - foot[1])
    length = math.hypot(dx, dy)
    side = (-dy / length, dx / length)
    shares = np.linspace(0, 1, 24)
    swell = half * np.sin(math.pi * shares**0.8)
    outline = []
    for share, wide in zip(shares, swell, strict=True):
        outline.append((x + dx * share + side[0] * wide, y + dy * share + side[1] * wide))
    for share, wide in zip(shares[::-1], swell[::-1], strict=True):
        outline.append((x + dx * share - side[0] * wide, y + dy * share - side[1] * wide))
    sheet.polygon([(float(a), float(b)) for a, b in outline], colour)
    sheet.stroke([foot, (x + 0.8 * dx, y + 0.8 * dy)], 0.005, lighten(colour, -0.14))


def compose_mobiles(sheet: Sheet, density: float) -> None:
    """A mobile of thin wires, discs and petals, hung from above."""
    sheet.disc(sheet.between(0.2, 0.8), sheet.between(0.85, 1.05), 0.17, sheet.pick())
    hook = (sheet.between(0.42, 0.58), 0.06)
    sheet.stroke([(hook[0], 0), hook], 0.006, sheet.line)
    side = 1 if sheet.chance(0.5) else -1
    arms = 3 + round(5 * density)
    for arm in range(arms):
        span = 0.36 * (1 - 0.45 * arm / arms)
        drop = sheet.between(0.03, 0.1)
        near = (hook[0] - side * 0.75 * span, hook[1] + drop + 0.04)
        far = (hook[0] + side * 0.55 * span, hook[1] + drop)
        sheet.stroke(_bow(near, hook, far), 0.006, sheet.line)
        _pendant(sheet, near, sheet.between(0.03, 0.075))
        if arm == arms - 1:
            _pendant(sheet, far, sheet.between(0.03, 0.07))
        fall = 0.62 * (HEIGHT - 0.2) / arms
        hook = (min(max(far[0], 0.3), 0.7), far[1] + fall)
        sheet.stroke([far, hook], 0.004, sheet.line)
        side = -side


def _bow(start: Point, middle: Point, end: Point) -> list[Point]:
    """Return a quadratic curve from start to end, drawn towards the middle."""
    points = []
    for t in np.linspace(0, 1, 30):
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        x = a * start[0] + b * middle[0] + c * end[0]
        y = a * start[1] + b * (middle[1] - 0.02) + c * end[1]
        points.append((float(x), float(y)))
    return points


def _pendant(sheet: Sheet, at: Point, radius: float) -> None:
    drop = radius * sheet.between(0.2, 0.8)
    sheet.stroke([at, (at[0], at[1] + drop)], 0.004, sheet.line)
    colour = sheet.pick()
    if sheet.chance(0.6):
        sheet.disc(at[0], at[1] + drop + radius, radius, colour)
    else:
        tip = (at[0] + radius * sheet.between(-1.4, 1.4), at[1] + drop + 3.2 * radius)
        _leaf(sheet, (at[0], at[1] + drop), tip, 0.75 * radius, colour)


def compose_squares(sheet: Sheet, density: float) -> None:
    """Squares within squares, in homage."""
    columns = 1 + round(2.4 * density)
    rows = max(1, round(columns * HEIGHT))
    for row in range(rows):
        for column in range(columns):
            width, height = 1 / columns, HEIGHT / rows
            x, y = width * (column + 0.5), height * (row + 0.5)
            previous = sheet.ground
            half = 0.44 * min(width, height)
            for level in range(4):
                previous = sheet.pick(previous)
                size = half * (1 - 0.25 * level)
                lower = y + 0.07 * half * level
                sheet.box(x - size, lower - size, x + size, lower + size, previous)


def compose_rays(sheet: Sheet, density: float) -> None:
    """A burst of rays about a disc, with atoms at their ends."""
    x, y = 0.5, HEIGHT / 2
    rays = 8 + 4 * round(6 * density)
    long, short = sheet.between(0.43, 0.48), sheet.between(0.26, 0.36)
    colours = [sheet.pick(), sheet.pick()]
    wide = 0.34 * 360 / rays
    for ray in range(rays):
        middle, reach = 360 * ray / rays - 90, long if ray % 2 == 0 else short
        sheet.polygon(
            [
                (x, y),
                _polar((x, y), reach, middle - wide),
                _polar((x, y), reach * 1.06, middle),
                _polar((x, y), reach, middle + wide),
            ],
            colours[ray % 2],
        )
    if sheet.chance(0.6):
        for ray in range(0, rays, 2):
            end = _polar((x, y), short + 0.045 * (1 + long), 360 * (ray + 1) / rays - 90)
            sheet.disc(*end, 0.017 + 0.012 * (1 - density), sheet.line)
    for level, radius in enumerate((0.15, 0.105, 0.055)):
        sheet.disc(x, y, radius, [sheet.ground, sheet.pick(sheet.ground), sheet.line][level])


def _polar(centre: Point, radius: float, degrees: float) -> Point:
    angle = math.radians(degrees)
    return centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


def compose_cutouts(sheet: Sheet, density: float) -> None:
    """Lobed shapes cut from painted paper, on blocks of colour."""
    split = sheet.between(0.35, 0.65)
    for left, right in ((0.0, split), (split, 1.0)):
        level = sheet.between(0.4, 0.85)
        sheet.box(left, 0, right, level, mix(sheet.ground, sheet.pick(), 0.28))
        sheet.box(left, level, right, HEIGHT, mix(sheet.ground, sheet.pick(), 0.16))
    count = 3 + round(12 * density)
    size = 0.34 / math.sqrt(1 + 0.75 * (count - 3))
    for centre in _scatter(sheet, count):
        _seaweed(sheet, centre, size * sheet.between(0.85, 1.25), sheet.pick())


def _scatter(sheet: Sheet, count: int) -> list[Point]:
    """Return points far from one another: the best of a few candidates each (Mitchell)."""
    points: list[Point] = []
    for _ in range(count):
        candidates = [
            (sheet.between(0.15, 0.85), sheet.between(0.15, HEIGHT - 0.15)) for _ in range(12)
        ]
        points.append(
            max(candidates, key=lambda c: min((math.dist(c, p) for p in points), default=1.0))
        )
    return points


def _seaweed(sheet: Sheet, centre: Point, size: float, colour: Colour) -> None:
    lobes, turn = sheet.whole(4, 8), sheet.between(0, 2 * math.pi)
    depth, stretch = sheet.between(0.22, 0.42), sheet.between(0.75, 1.3)
    outline = []
    for angle in np.linspace(0, 2 * math.pi, 140, endpoint=False):
        radius = size * (0.72 + depth * math.cos(lobes * angle) + 0.08 * math.sin(2 * angle + turn))
        x, y = radius * math.cos(angle), stretch * radius * math.sin(angle)
        outline.append(
            (
                centre[0] + x * math.cos(turn) - y * math.sin(turn),
                centre[1] + x * math.sin(turn) + y * math.cos(turn),
            )
        )
    sheet.polygon(outline, colour)


def compose_weaves(sheet: Sheet, density: float) -> None:
    """Bands and blocks of a woven cloth."""
    columns = 3 + round(6 * density)
    edges = _edges(sheet, columns, 1.0)
    for left, right in itertools.pairwise(edges):
        rows = _edges(sheet, sheet.whole(3, 4 + 5 * density), HEIGHT)
        previous = sheet.ground
        for top, bottom in itertools.pairwise(rows):
            previous = sheet.ground if sheet.chance(0.25) else sheet.pick(previous)
            sheet.box(left, top, right, bottom, previous)
            if sheet.chance(0.35):
                _threads(sheet, (left, top, right, bottom), sheet.pick(previous))


def _edges(sheet: Sheet, parts: int, length: float) -> list[float]:
    sizes = np.array([sheet.between(0.5, 1.6) for _ in range(parts)])
    return [0.0, *(length * np.cumsum(sizes) / sizes.sum()).tolist()]


def _threads(sheet: Sheet, block: tuple[float, float, float, float], colour: Colour) -> None:
    left, top, right, bottom = block
    pitch = 0.034
    for step in range(int((bottom - top) / pitch)):
        y = top + pitch * (step + 0.5)
        sheet.box(left, y - 0.007, right, y + 0.007, colour)


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

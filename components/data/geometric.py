"""The series of art prints that are built: arches, tiles, flights, squares, rays and weaves.

Every composition takes the sheet and a density from 0 (sparse) to 1 (full).
"""

import itertools
import math

import numpy as np

from components.data.palettes import Colour
from components.data.sheet import HEIGHT, Point, Sheet


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

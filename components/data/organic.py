"""The series of art prints that grow: hills, leaves, mobiles and cut-outs.

Every composition takes the sheet and a density from 0 (sparse) to 1 (full).
"""

import math

import numpy as np

from components.data.palettes import Colour, lighten, mix
from components.data.sheet import HEIGHT, Point, Sheet


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

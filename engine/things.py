"""Things that people build. Units: about 1 in radius around the origin, the foot at y = 1."""

from __future__ import annotations

import math

import numpy as np

from engine.brush import Brush
from engine.colour import Colour, colour, mix, shaded
from engine.look import Look
from engine.noise import Chance
from engine.shapes import block, both, circle, cut, ellipse, limb, polygon, union

WARM = (1.0, 0.84, 0.5)


def tone_of(look: Look, chance: Chance, codes: str) -> Colour:
    """The colour that the prompt gives the subject, or one of these."""
    options = codes.split()
    return look.plan.subject_colour or colour(options[int(chance.integers(len(options)))])


def _pane(brush: Brush, x: float, y: float, wide: float, tall: float, look: Look) -> None:
    brush.flat(block(x, y, wide + 0.06, tall + 0.06, 0.03), (0.25, 0.18, 0.2))
    brush.form(block(x, y, wide, tall, 0.02), WARM if look.palette.dark else (0.72, 0.86, 0.92), 0.5, 0.1)
    brush.flat(
        union(limb(x, y - tall / 2, x, y + tall / 2, 0.013), limb(x - wide / 2, y, x + wide / 2, y, 0.013)),
        (0.25, 0.18, 0.2),
    )
    if look.palette.dark:
        brush.canvas.spot(brush.x + x * brush.scale, brush.y + y * brush.scale, brush.scale * 0.5, WARM, 0.45)


def boat(brush: Brush, chance: Chance, look: Look) -> None:
    """A sailing boat and its reflection; the water line is y = 1."""
    hull = tone_of(look, chance, "#7a3b2e #2f4d6b #e8e0d0 #b5413a")
    sail = mix((0.99, 0.96, 0.9), look.palette.sun, 0.3)
    for k in range(6):
        y = 1.06 + k * 0.1
        sway = 0.07 * math.sin(k * 2.1)
        brush.flat(ellipse(sway, y, 0.8 - k * 0.11, 0.03), hull, 0.42 - k * 0.05)
        brush.flat(ellipse(sway + 0.1, y + 0.35, 0.42 - k * 0.05, 0.026), sail, 0.36 - k * 0.05)
    brush.form(limb(0.02, 0.75, 0.02, -1.35, 0.028, 0.02), (0.36, 0.24, 0.18), 1.0, 0.03)
    main = both(polygon([(0.1, -1.25), (0.1, 0.55), (1.0, 0.55)], 0.02), circle(-0.55, 0.1, 1.62))
    jib = polygon([(-0.06, -1.1), (-0.06, 0.5), (-0.72, 0.55)], 0.02)
    brush.form(main, sail, 0.9, 0.25)
    brush.form(jib, shaded(sail, -0.08), 0.9, 0.2)
    brush.flat(both(main, block(0.5, 0.16, 2, 0.12)), look.palette.accents[0], 0.8)
    shape = both(
        polygon([(-0.95, 0.62), (1.05, 0.62), (0.78, 1.02), (-0.66, 1.02)], 0.03), block(0, 0.78, 3, 0.5)
    )
    brush.form(shape, hull, 1.0, 0.15)
    brush.flat(both(shape, block(0, 0.7, 3, 0.06)), (0.98, 0.95, 0.88), 0.85)


def rocket(brush: Brush, chance: Chance, look: Look) -> None:
    """On its way up, with a window and a flame."""
    body, fin = (0.95, 0.94, 0.92), tone_of(look, chance, "#e0473c #3d7fc2 #e8912f")
    flown = brush.moved(0, 0, 1.0, 0.32)
    for r, tone, power in (
        (0.34, (1.0, 0.45, 0.2), 0.8),
        (0.22, (1.0, 0.75, 0.3), 0.9),
        (0.11, (1.0, 0.97, 0.8), 1.0),
    ):
        flown.blur(limb(0, 1.15, 0, 1.2 + r * 4.2, r, 0.04), tone, 0.12, power)
    for side in (-1, 1):
        flown.form(
            polygon([(side * 0.34, 0.25), (side * 0.92, 0.95), (side * 0.8, 1.2), (side * 0.3, 0.95)], 0.04),
            fin,
            1.0,
            0.15,
        )
    hull = both(circle(-0.95, 0.0, 1.42), circle(0.95, 0.0, 1.42))
    hull = cut(hull, block(0, 1.5, 2, 0.95))
    flown.form(block(0, 1.05, 0.5, 0.2, 0.04), (0.32, 0.33, 0.4), 1.0, 0.08)
    flown.form(hull, body, 1.2, 0.3)
    flown.form(both(hull, block(0, -1.1, 2, 0.85)), fin, 1.1, 0.2)
    flown.form(circle(0, -0.18, 0.27), (0.35, 0.38, 0.46), 1.0, 0.08)
    flown.form(circle(0, -0.18, 0.2), (0.45, 0.78, 0.92), 1.1, 0.12)
    flown.blur(limb(-0.1, -0.24, -0.02, -0.31, 0.02), (1.0, 1.0, 1.0), 0.03, 0.9)
    flown.form(block(0, 0.6, 0.12, 0.7, 0.05), fin, 1.0, 0.06)


def house(brush: Brush, chance: Chance, look: Look) -> None:
    """A small house with a chimney and light in its windows."""
    wall, roof = (
        tone_of(look, chance, "#f3e3c6 #e9c9a8 #d9e0dc"),
        tone_of(look, chance, "#b5493a #8a4a3a #54607a"),
    )
    if look.plan.subject_colour:
        roof = shaded(wall, -0.5)
    if look.palette.dark:
        wall, roof = mix(wall, look.palette.land[1], 0.35), mix(roof, look.palette.land[1], 0.3)
    brush.shadow(ellipse(0.1, 1.0, 1.2, 0.12), 0, 0.03, 0.2, 0.4)
    for k in range(4):
        brush.blur(
            circle(0.62 + 0.1 * math.sin(k * 1.9) + k * 0.06, -1.05 - k * 0.24, 0.09 + k * 0.045),
            (1.0, 0.98, 0.96),
            0.1,
            0.42 - k * 0.08,
        )
    brush.form(block(0.55, -0.6, 0.24, 0.7, 0.02), shaded(roof, -0.15), 1.0, 0.1)
    brush.form(block(0, 0.45, 1.6, 1.14, 0.02), wall, 0.9, 0.25)
    shape = polygon([(-1.08, -0.02), (0, -0.95), (1.08, -0.02)], 0.06)
    brush.shadow(shape, 0.0, 0.1, 0.1, 0.35)
    brush.form(shape, roof, 1.1, 0.2)
    for k in range(1, 5):
        brush.flat(
            both(shape, limb(-1.2, -0.02 - k * 0.19, 1.2, -0.02 - k * 0.19, 0.012)), shaded(roof, -0.4), 0.6
        )
    brush.form(union(block(0, 0.72, 0.36, 0.6, 0.02), circle(0, 0.42, 0.18)), shaded(roof, -0.2), 1.0, 0.1)
    brush.form(circle(0.1, 0.74, 0.03), WARM, 1.0, 0.03)
    for x in (-0.5, 0.5):
        _pane(brush, x, 0.42, 0.32, 0.36, look)
    brush.form(circle(0, -0.35, 0.15), WARM if look.palette.dark else (0.72, 0.86, 0.92), 0.7, 0.08)
    for x, r in ((-0.95, 0.2), (-0.72, 0.14), (0.92, 0.22), (1.12, 0.15)):
        brush.form(circle(x, 0.98, r), mix(look.palette.leaf, (0.35, 0.55, 0.3), 0.3), 1.0, 0.15)


def castle(brush: Brush, chance: Chance, look: Look) -> None:
    """Towers with pointed roofs on a rock."""
    stone = tone_of(look, chance, "#d8cdbd #b9b4c2 #e3d2b4")
    stone = mix(stone, look.palette.haze, 0.25)
    if look.palette.dark:
        stone = mix(stone, look.palette.land[1], 0.45)
    roof = mix(look.palette.accents[0], look.palette.land[1], 0.25)
    rock = mix(look.palette.land[1], stone, 0.12)
    brush.form(polygon([(-1.25, 1.7), (-0.95, 0.9), (0.95, 0.86), (1.3, 1.7)], 0.08), rock, 1.0, 0.3)
    towers = (
        (-0.02, -0.95, 0.42, 0.62),
        (-0.48, -0.4, 0.34, 0.5),
        (0.5, -0.55, 0.32, 0.52),
        (-0.92, 0.1, 0.34, 0.44),
        (0.94, 0.05, 0.34, 0.46),
    )
    for x, top, wide, peak in towers:
        brush.form(block(x, (top + 1.0) / 2, wide, 1.0 - top, 0.01), stone, 1.1, 0.15)
        brush.form(block(x, top + 0.04, wide + 0.09, 0.12, 0.01), shaded(stone, 0.15), 1.0, 0.1)
        brush.form(
            polygon([(x - wide * 0.62, top), (x, top - peak), (x + wide * 0.62, top)], 0.015), roof, 1.2, 0.12
        )
        brush.flat(limb(x, top - peak, x, top - peak - 0.16, 0.012), shaded(stone, -0.5))
        brush.flat(
            polygon([(x, top - peak - 0.16), (x + 0.16, top - peak - 0.12), (x, top - peak - 0.07)]),
            look.palette.accents[1],
        )
        for y in np.arange(top + 0.28, 0.75, 0.4):
            lamp = WARM if look.palette.dark else shaded(stone, -0.55)
            brush.flat(union(block(x, float(y) + 0.05, 0.07, 0.12), circle(x, float(y) - 0.01, 0.035)), lamp)
    brush.form(block(0, 0.72, 1.7, 0.62, 0.01), shaded(stone, 0.08), 1.0, 0.2)
    for k in range(8):
        brush.form(block(-0.79 + k * 0.226, 0.38, 0.13, 0.14, 0.01), shaded(stone, 0.08), 0.8, 0.08)
    brush.flat(union(block(0, 0.88, 0.34, 0.3), circle(0, 0.73, 0.17)), shaded(stone, -0.65))


def lighthouse(brush: Brush, chance: Chance, look: Look) -> None:
    """Red and white on a rock, its beam over the water."""
    red, white = tone_of(look, chance, "#cf3f3a #2f5d8c"), mix((0.97, 0.95, 0.92), look.palette.haze, 0.2)
    dim = 0.4 if look.palette.dark else 0.0
    red, white = mix(red, look.palette.land[1], dim), mix(white, look.palette.land[1], dim)
    for side in (-1, 1):
        brush.blur(
            polygon([(0, -1.18), (side * 4.5, -1.75), (side * 4.5, -0.75)]),
            (1.0, 0.95, 0.75),
            0.2,
            0.34 if look.palette.dark else 0.14,
        )
    rock = shaded(mix(look.palette.land[1], look.palette.haze, 0.15), 0.05)
    for x, y, w, h in ((0.0, 1.18, 1.0, 0.34), (-0.6, 1.25, 0.6, 0.22), (0.65, 1.26, 0.6, 0.2)):
        brush.form(ellipse(x, y, w, h), rock, 1.1, 0.2)
    tower = polygon([(-0.36, 1.05), (-0.23, -0.9), (0.23, -0.9), (0.36, 1.05)], 0.01)
    brush.form(tower, white, 1.2, 0.2)
    for k in range(3):
        brush.form(both(tower, block(0, -0.6 + k * 0.68, 2, 0.34)), red, 1.2, 0.2)
    brush.form(block(0, -0.94, 0.7, 0.09, 0.02), (0.25, 0.22, 0.27), 1.0, 0.05)
    brush.form(block(0, -1.17, 0.36, 0.4, 0.02), WARM, 0.6, 0.1)
    brush.canvas.spot(brush.x, brush.y - 1.17 * brush.scale, brush.scale * 0.9, WARM, 0.85)
    brush.form(union(polygon([(-0.27, -1.36), (0, -1.62), (0.27, -1.36)], 0.03)), red, 1.1, 0.1)
    for x in (-0.12, 0.0, 0.12):
        brush.flat(limb(x, -1.36, x, -0.98, 0.012), (0.25, 0.22, 0.27))


def balloon(brush: Brush, chance: Chance, look: Look) -> None:
    """A hot-air balloon in stripes."""
    first = look.plan.subject_colour or look.palette.accents[0]
    tones = (first, (0.99, 0.95, 0.85), look.palette.accents[1], (0.99, 0.95, 0.85))
    skin = union(
        circle(0, -0.35, 0.86),
        polygon([(-0.62, 0.1), (0.62, 0.1), (0.2, 0.72), (-0.2, 0.72)], 0.03),
        soft=0.25,
    )
    brush.form(skin, tones[0], 1.0, 0.3)
    for k, wide in enumerate((0.72, 0.5, 0.28, 0.1)):
        brush.form(both(skin, ellipse(0, -0.1, wide, 1.3)), tones[(k + 1) % 4], 1.0, 0.3)
    brush.blur(ellipse(-0.34, -0.72, 0.13, 0.24, 0.5), (1.0, 1.0, 1.0), 0.18, 0.35)
    for x in (-0.16, 0.16):
        brush.flat(limb(x * 1.1, 0.74, x, 1.06, 0.012), (0.3, 0.2, 0.16))
    brush.form(block(0, 1.18, 0.4, 0.28, 0.06), (0.62, 0.4, 0.24), 1.1, 0.1)
    brush.flat(block(0, 1.06, 0.44, 0.06, 0.03), (0.42, 0.26, 0.16))


THINGS = {
    "boat": boat,
    "rocket": rocket,
    "house": house,
    "castle": castle,
    "lighthouse": lighthouse,
    "balloon": balloon,
}

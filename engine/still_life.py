"""What grows, swims or lies there. Units: about 1 in radius around the origin, the foot at y = 1."""

from __future__ import annotations

import math

from engine.brush import Brush
from engine.colour import colour, mix, shaded
from engine.look import Look
from engine.noise import Chance
from engine.shapes import Shape, block, both, circle, curve, cut, ellipse, leaf, limb, polygon, union
from engine.things import tone_of


def tree(brush: Brush, chance: Chance, look: Look) -> None:
    """One great tree with a crown of many leaves."""
    bark = mix((0.36, 0.24, 0.18), look.palette.land[1], 0.3)
    green = tone_of(look, chance, "#5c9a4a #4a8a5c #d9782f #e59ab0 #7fae4e")
    if look.plan.hour == "autumn" and not look.plan.subject_colour:
        green = colour("#d9702b")
    green = mix(green, look.palette.land[1], 0.4 if look.palette.dark else 0.05)
    brush.shadow(ellipse(0.1, 1.02, 0.9, 0.1), 0, 0, 0.2, 0.4)
    brush.form(
        union(
            limb(0, 1.02, 0.02, 0.0, 0.17, 0.1),
            limb(0, 1.05, -0.28, 1.06, 0.08, 0.02),
            limb(0, 1.05, 0.28, 1.06, 0.08, 0.02),
            soft=0.15,
        ),
        bark,
        1.1,
        0.12,
    )
    for x, y in ((-0.5, -0.35), (0.48, -0.42), (0.1, -0.7), (-0.2, -0.6)):
        brush.form(curve((0.02, 0.2), (x * 0.3, -0.1), (x, y), 0.08, 0.025), bark, 1.0, 0.06)
    for layer in range(3):
        shade = shaded(green, (-0.32, 0.0, 0.26)[layer])
        puffs = []
        for k in range(15):
            a, far = k * 2.39996 + layer, math.sqrt((k + chance.uniform(0.2, 0.9)) / 15)
            x, y = math.cos(a) * far * 0.84, -0.55 + math.sin(a) * far * 0.58
            puffs.append(
                circle(x - 0.09 * layer, y - 0.1 * layer, chance.uniform(0.2, 0.34) * (1 - 0.22 * layer))
            )
        brush.form(union(*puffs, soft=0.05), shade, 0.9, 0.18)
    for _ in range(46):
        a, far = chance.uniform(0, math.tau), math.sqrt(chance.uniform(0, 1))
        x, y = math.cos(a) * far * 0.88, -0.58 + math.sin(a) * far * 0.62
        brush.flat(
            leaf(x, y, 0.11, 0.05, chance.uniform(0, 6.28)),
            shaded(green, float(chance.choice([0.5, 0.35, -0.3]))),
            0.7,
        )


def flower(brush: Brush, chance: Chance, look: Look) -> None:
    """One large blossom with two leaves."""
    tone = tone_of(look, chance, "#e4577a #f2923a #8a63c8 #e8b92f #f28fa8 #d8433b")
    stem = mix((0.27, 0.52, 0.34), look.palette.leaf, 0.3)
    if "sunflower" in look.plan.words:
        tone = colour("#f4b92f")
    brush.form(curve((0.0, 0.1), (0.16, 1.2), (-0.05, 2.6), 0.075, 0.09), stem, 1.0, 0.08)
    brush.form(leaf(0.06, 1.75, 1.05, 0.4, -0.5), stem, 1.0, 0.15)
    brush.form(leaf(0.04, 2.05, 0.95, 0.36, math.pi + 0.45), shaded(stem, -0.1), 1.0, 0.15)
    number, turn = int(chance.integers(7, 12)), chance.uniform(0, 1)
    for ring, (far, long, wide) in enumerate(((0.55, 0.55, 0.3), (0.42, 0.45, 0.26), (0.28, 0.34, 0.2))):
        for k in range(number):
            a = turn + (k + 0.5 * ring) * math.tau / number
            petal = ellipse(math.cos(a) * far, math.sin(a) * far, long, wide, a)
            brush.shadow(petal, 0.01, 0.04, 0.08, 0.16)
            brush.form(petal, shaded(tone, -0.12 + 0.17 * ring), 0.9, 0.2)
    core = colour("#7a4526") if "sunflower" in look.plan.words else colour("#f6c84c")
    brush.shadow(circle(0, 0, 0.26), 0.0, 0.04, 0.08, 0.4)
    brush.form(circle(0, 0, 0.26), core, 1.1, 0.15)
    for k in range(34):
        far, a = 0.23 * math.sqrt((k + 0.5) / 34), k * 2.39996
        brush.flat(
            circle(math.cos(a) * far, math.sin(a) * far, 0.017), shaded(core, 0.45 if k % 2 else -0.35)
        )


def fish(brush: Brush, chance: Chance, look: Look) -> None:
    """A round striped fish that swims to the left."""
    tone = tone_of(look, chance, "#f2792f #f5c23c #e4577a #4fb0d8")
    brush.form(
        polygon([(0.75, 0.0), (1.35, -0.5), (1.2, 0.0), (1.38, 0.5)], 0.08), shaded(tone, -0.1), 1.0, 0.2
    )
    brush.form(curve((-0.35, -0.5), (0.2, -1.1), (0.6, -0.4), 0.2, 0.1), shaded(tone, -0.15), 1.0, 0.15)
    brush.form(leaf(0.1, 0.45, 0.6, 0.3, 1.0), shaded(tone, -0.15), 1.0, 0.15)
    body = union(ellipse(0, 0, 0.95, 0.64), limb(0.3, 0, 0.85, 0, 0.35, 0.12), soft=0.2)
    brush.form(body, tone, 1.1, 0.3)
    for x, wide in ((-0.3, 0.09), (0.24, 0.085), (0.7, 0.05)):
        stripe = both(circle(x - 1.5, 0, 1.5 + wide), cut(body, circle(x - 1.5, 0, 1.5 - wide)))
        brush.form(stripe, (0.99, 0.97, 0.94), 0.8, 0.3)
    brush.form(leaf(-0.05, 0.12, 0.5, 0.3, 0.35), shaded(tone, -0.2), 1.0, 0.1)
    brush.flat(circle(-0.56, -0.14, 0.17), (1.0, 1.0, 0.98))
    brush.flat(circle(-0.59, -0.13, 0.11), (0.12, 0.09, 0.14))
    brush.flat(circle(-0.63, -0.18, 0.04), (1.0, 1.0, 1.0))
    brush.flat(curve((-0.92, 0.16), (-0.8, 0.26), (-0.7, 0.2), 0.022), shaded(tone, -0.6))


def whale(brush: Brush, chance: Chance, look: Look) -> None:
    """Half out of the water (y = 1), with a fountain."""
    tone = tone_of(look, chance, "#3f6f9c #4a6286 #5a7fa8")
    for side in (-1, 1):
        brush.blur(
            curve((-0.35, -0.25), (-0.35 + side * 0.12, -1.15), (-0.35 + side * 0.55, -0.75), 0.05, 0.09),
            (0.95, 0.99, 1.0),
            0.06,
            0.85,
        )
    sea = block(0, 0.0, 8, 2.0)
    tail = union(
        curve((0.7, 0.7), (1.35, 0.75), (1.4, -0.05), 0.3, 0.1),
        leaf(1.4, -0.02, 0.6, 0.26, -2.5),
        leaf(1.4, -0.02, 0.6, 0.26, -0.6),
        soft=0.08,
    )
    body = union(ellipse(-0.2, 0.62, 1.15, 0.82), tail, soft=0.3)
    brush.form(both(body, sea), tone, 1.0, 0.35)
    brush.form(both(both(body, sea), ellipse(-0.4, 1.05, 1.0, 0.4)), (0.9, 0.93, 0.95), 0.7, 0.2)
    brush.flat(circle(-0.86, 0.5, 0.09), (0.1, 0.09, 0.14))
    brush.flat(circle(-0.89, 0.47, 0.03), (1.0, 1.0, 1.0))
    brush.flat(curve((-1.22, 0.72), (-0.95, 0.84), (-0.72, 0.72), 0.024), shaded(tone, -0.5))
    for k in range(5):
        brush.blur(
            ellipse(0.1 * math.sin(k * 2), 1.02 + k * 0.07, 1.5 - k * 0.22, 0.025),
            (0.92, 0.98, 1.0),
            0.03,
            0.5 - k * 0.08,
        )


def mushroom(brush: Brush, chance: Chance, look: Look) -> None:
    """A red cap with white spots, and a small one beside it."""
    cap = tone_of(look, chance, "#d8392f #e2683a #a8527c")
    for dx, dy, size in ((0.82, 0.5, 0.48), (0.0, 0.0, 1.0)):
        own = brush.moved(dx, dy, size)
        own.shadow(ellipse(0, 1.02, 0.6, 0.08), 0, 0, 0.15, 0.4)
        own.form(union(limb(0, 0.1, 0, 0.82, 0.24, 0.34)), (0.97, 0.92, 0.82), 1.0, 0.2)
        own.form(ellipse(0, 0.08, 0.84, 0.2), (0.9, 0.8, 0.68), 0.8, 0.1)
        dome = cut(ellipse(0, 0.08, 1.02, 1.0), ellipse(0, 0.72, 1.35, 0.66))
        own.form(dome, cap, 1.1, 0.3)
        for x, y, r in (
            (-0.42, -0.4, 0.14),
            (0.1, -0.62, 0.17),
            (0.5, -0.3, 0.13),
            (-0.05, -0.2, 0.1),
            (-0.72, -0.08, 0.09),
            (0.78, -0.02, 0.08),
        ):
            own.form(both(dome, ellipse(x, y, r, r * 0.85)), (1.0, 0.97, 0.9), 0.8, 0.08)
    for k in range(9):
        x = -1.1 + k * 0.28 + chance.uniform(-0.08, 0.08)
        brush.form(
            limb(x, 1.08, x + chance.uniform(-0.15, 0.15), 0.72, 0.045, 0.01), (0.4, 0.62, 0.32), 0.9, 0.04
        )


def cup(brush: Brush, chance: Chance, look: Look) -> None:
    """A steaming cup on a saucer."""
    clay = tone_of(look, chance, "#3f7f8c #d9623f #f0e4d0 #5a6ea8")
    for k in range(3):
        x = (k - 1) * 0.32
        brush.blur(
            curve((x, -0.75), (x + 0.28, -1.1), (x - 0.02, -1.55), 0.045, 0.015), (1.0, 1.0, 1.0), 0.1, 0.55
        )
    brush.shadow(ellipse(0.05, 0.95, 1.2, 0.2), 0, 0.06, 0.2, 0.4)
    brush.form(ellipse(0, 0.9, 1.2, 0.22), shaded(clay, 0.2), 1.0, 0.1)
    brush.form(cut(circle(0.82, 0.08, 0.42), circle(0.82, 0.08, 0.26)), clay, 1.0, 0.1)
    bowl = union(polygon([(-0.82, -0.5), (0.82, -0.5), (0.58, 0.72), (-0.58, 0.72)], 0.12), soft=0.1)
    brush.form(bowl, clay, 1.1, 0.3)
    brush.form(ellipse(0, -0.52, 0.92, 0.22), shaded(clay, 0.3), 0.8, 0.1)
    brush.form(ellipse(0, -0.5, 0.8, 0.165), (0.4, 0.22, 0.14), 0.9, 0.15)
    heart_at = brush.moved(0, -0.5, 0.2)
    heart_at.flat(_heart(0.4), (0.93, 0.8, 0.62), 0.9)


def _heart(flat: float = 1.0) -> Shape:
    point = polygon([(-0.93, 0.0), (0.0, 1.05 * flat), (0.93, 0.0), (0, -0.3 * flat)], 0.02)
    left, right = (ellipse(x, -0.22 * flat, 0.55, 0.55 * flat) for x in (-0.47, 0.47))
    return union(point, left, right, soft=0.06)


def heart(brush: Brush, chance: Chance, look: Look) -> None:
    """A glossy heart."""
    tone = tone_of(look, chance, "#e0405a #d8433b #e8638c")
    shape = _heart()
    brush.shadow(shape, 0.04, 0.14, 0.3, 0.35)
    brush.form(shape, tone, 1.2, 0.4)
    brush.blur(curve((-0.72, -0.1), (-0.72, -0.5), (-0.38, -0.56), 0.05), (1.0, 1.0, 1.0), 0.1, 0.7)


STILL_LIFE = {
    "tree": tree,
    "flower": flower,
    "fish": fish,
    "whale": whale,
    "mushroom": mushroom,
    "cup": cup,
    "heart": heart,
}

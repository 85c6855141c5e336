"""Sitters that no species table covers: birds, the frog, people, the astronaut, the robot and the snowman."""

from __future__ import annotations

import math

from engine.animals import BLUSH, INK, WHITE
from engine.brush import Brush
from engine.colour import Colour, colour, mix, shaded
from engine.noise import Chance
from engine.shapes import block, both, circle, curve, cut, ellipse, limb, polygon, union


def _pick(chance: Chance, codes: str) -> Colour:
    options = codes.split()
    return colour(options[int(chance.integers(len(options)))])


def _big_eyes(brush: Brush, x: float, y: float, radius: float, iris: Colour | None = None) -> None:
    for side in (-1, 1):
        if iris:
            brush.form(circle(side * x, y, radius), iris, 0.8, 0.12)
        brush.flat(circle(side * x, y, radius * (0.62 if iris else 1.0)), INK)
        brush.flat(circle(side * x - radius * 0.26, y - radius * 0.3, radius * 0.27), WHITE)


def _blush(brush: Brush, x: float, y: float) -> None:
    for side in (-1, 1):
        brush.blur(ellipse(side * x, y, 0.13, 0.08), BLUSH, 0.13, 0.45)


def owl(brush: Brush, chance: Chance, tone: Colour | None) -> None:
    """A round owl with large eyes."""
    coat = tone or _pick(chance, "#9a6b45 #7d6a8c #6c7f94 #b58550")
    body = union(ellipse(0, 1.5, 1.12, 1.6), ellipse(0, 0, 1.02, 0.9), soft=0.3)
    tufts = [polygon([(s * 0.9, -0.3), (s * 0.95, -1.08), (s * 0.3, -0.75)], 0.08) for s in (-1, 1)]
    brush.shadow(body, 0.06, 0.12, 0.3, 0.25)
    brush.form(union(body, *tufts, soft=0.08), coat, 1.0, 0.35)
    brush.form(ellipse(0, 1.75, 0.72, 1.05), mix(coat, (1.0, 0.95, 0.85), 0.6), 0.7, 0.2)
    for row in range(3):
        for k in range(-1 - row % 2, 2):
            x, y = (k + 0.5 * (row % 2)) * 0.38, 1.25 + row * 0.34
            brush.flat(curve((x - 0.11, y), (x, y + 0.16), (x + 0.11, y), 0.03), shaded(coat, 0.1), 0.7)
    for side in (-1, 1):
        brush.form(ellipse(side * 1.06, 1.6, 0.32, 0.95, side * 0.12), shaded(coat, -0.18), 1.0, 0.2)
        brush.form(circle(side * 0.42, -0.02, 0.48), mix(coat, (1.0, 0.95, 0.86), 0.75), 0.7, 0.15)
    _big_eyes(brush, 0.4, -0.02, 0.32, colour("#f2b134"))
    brush.form(polygon([(-0.11, 0.2), (0.11, 0.2), (0, 0.48)], 0.04), (0.95, 0.6, 0.25), 1.0, 0.08)


def bird(brush: Brush, chance: Chance, tone: Colour | None) -> None:
    """A small plump bird with a tail, from the side of its chest."""
    coat = tone or _pick(chance, "#3f86c8 #e4573f #f2bd3a #5aa46a #8a6bc0")
    belly = mix(coat, (1.0, 0.94, 0.84), 0.72)
    brush.form(limb(0.75, 1.9, 1.85, 2.5, 0.28, 0.2), shaded(coat, -0.25), 1.0, 0.15)
    body = union(ellipse(0, 1.45, 1.02, 1.22), ellipse(-0.1, 0.02, 0.86, 0.82), soft=0.4)
    brush.shadow(body, 0.06, 0.12, 0.3, 0.25)
    brush.form(body, coat, 1.0, 0.35)
    brush.form(both(body, ellipse(-0.32, 1.42, 0.7, 1.0, 0.12)), belly, 0.7, 0.2)
    for k in range(3):
        wing = ellipse(0.68 + 0.1 * k, 1.42 + k * 0.22, 0.66 - k * 0.08, 0.3, 0.62)
        brush.form(wing, shaded(coat, -0.16 - 0.1 * k), 1.0, 0.14)
    brush.form(curve((-0.05, -0.72), (0.05, -1.15), (0.35, -1.1), 0.09, 0.03), shaded(coat, -0.1), 0.8, 0.05)
    brush.form(polygon([(-0.72, -0.05), (-1.28, 0.14), (-0.74, 0.28)], 0.05), (0.97, 0.66, 0.24), 1.1, 0.1)
    brush.flat(limb(-0.76, 0.13, -1.16, 0.14, 0.012), (0.6, 0.32, 0.14), 0.8)
    brush.flat(circle(-0.4, -0.12, 0.15), INK)
    brush.flat(circle(-0.45, -0.18, 0.05), WHITE)
    brush.blur(ellipse(-0.28, 0.24, 0.12, 0.08), BLUSH, 0.12, 0.5)


def penguin(brush: Brush, chance: Chance, tone: Colour | None) -> None:
    """In black and white, with a warm chest."""
    coat = tone or colour("#2c3447")
    for side in (-1, 1):
        brush.form(limb(side * 0.85, 1.1, side * 1.4, 2.0, 0.26, 0.14), shaded(coat, -0.1), 1.0, 0.15)
    body = union(ellipse(0, 1.6, 1.08, 1.5), ellipse(0, 0, 0.95, 0.88), soft=0.35)
    brush.shadow(body, 0.06, 0.12, 0.3, 0.25)
    brush.form(body, coat, 1.0, 0.35)
    brush.form(ellipse(0, 1.8, 0.78, 1.15), WHITE, 0.6, 0.2)
    brush.blur(ellipse(0, 0.98, 0.4, 0.12), (0.98, 0.8, 0.4), 0.2, 0.7)
    brush.form(
        union(circle(-0.34, 0.02, 0.42), circle(0.34, 0.02, 0.42), ellipse(0, 0.3, 0.5, 0.36), soft=0.1),
        WHITE,
        0.6,
        0.15,
    )
    _big_eyes(brush, 0.34, -0.02, 0.15)
    _blush(brush, 0.56, 0.28)
    brush.form(polygon([(-0.17, 0.18), (0.17, 0.18), (0, 0.4)], 0.05), (0.97, 0.62, 0.22), 1.1, 0.1)


def frog(brush: Brush, chance: Chance, tone: Colour | None) -> None:
    """Eyes on top and a wide smile."""
    coat = tone or _pick(chance, "#6cab4c #4f9f6b #8dbb45")
    body = ellipse(0, 1.75, 1.05, 1.05)
    brush.form(body, coat, 1.0, 0.3)
    brush.form(ellipse(0, 1.95, 0.7, 0.85), mix(coat, (1.0, 0.98, 0.8), 0.65), 0.7, 0.2)
    head = union(ellipse(0, 0.14, 1.18, 0.78), circle(-0.58, -0.5, 0.38), circle(0.58, -0.5, 0.38), soft=0.12)
    brush.shadow(head, 0.0, 0.14, 0.25, 0.3)
    brush.form(head, coat, 1.0, 0.3)
    brush.form(both(head, ellipse(0, 0.72, 1.0, 0.4)), mix(coat, (1.0, 0.98, 0.8), 0.6), 0.6, 0.2)
    for side in (-1, 1):
        brush.flat(circle(side * 0.58, -0.5, 0.27), WHITE)
    _big_eyes(brush, 0.57, -0.48, 0.18)
    brush.flat(curve((-0.74, 0.26), (0, 0.78), (0.74, 0.26), 0.032), INK)
    for side in (-1, 1):
        brush.flat(circle(side * 0.1, 0.1, 0.03), shaded(coat, -0.5))
    _blush(brush, 0.82, 0.2)


def person(brush: Brush, chance: Chance, tone: Colour | None) -> None:
    """A calm face with closed or open eyes, hair and a pullover."""
    skin = _pick(chance, "#f6cfae #e3a97c #c68658 #8f5a3c #fbdcc4")
    hair = _pick(chance, "#2c1f24 #5a3423 #a65a2c #d9a84e #3b2c52 #8c8f9c")
    cloth = tone or _pick(chance, "#3f6f8c #c2573f #4f7d5c #7a5a96 #e0a33c")
    long = chance.random() < 0.55
    if long:
        brush.form(
            union(
                ellipse(0, 0.1, 1.08, 1.1),
                limb(-0.72, 0.4, -0.86, 1.6, 0.4, 0.32),
                limb(0.72, 0.4, 0.86, 1.6, 0.4, 0.32),
                soft=0.2,
            ),
            shaded(hair, -0.15),
            0.9,
            0.3,
        )
    brush.form(union(ellipse(0, 2.55, 1.45, 1.25), ellipse(0, 1.7, 0.7, 0.4), soft=0.35), cloth, 1.0, 0.35)
    brush.form(limb(0, 0.8, 0, 1.35, 0.34, 0.38), shaded(skin, -0.18), 0.7, 0.15)
    brush.form(curve((-0.46, 1.42), (0, 1.72), (0.46, 1.42), 0.13), shaded(cloth, 0.18), 0.9, 0.1)
    for side in (-1, 1):
        brush.form(ellipse(side * 0.84, 0.16, 0.16, 0.22), shaded(skin, -0.08), 0.8, 0.1)
    face = union(ellipse(0, 0, 0.84, 0.86), ellipse(0, 0.42, 0.66, 0.62), soft=0.25)
    brush.shadow(face, 0.0, 0.14, 0.2, 0.3)
    brush.form(face, skin, 0.8, 0.3)
    _face(brush, chance, skin, hair)
    fringe = cut(
        ellipse(0, -0.2, 0.98, 0.92), ellipse(0.3 if chance.random() < 0.5 else -0.3, 0.42, 1.02, 0.86)
    )
    brush.form(fringe, hair, 1.1, 0.25)
    brush.blur(curve((-0.5, -0.78), (-0.1, -0.98), (0.35, -0.86), 0.03), shaded(hair, 0.6), 0.08, 0.5)


def _face(brush: Brush, chance: Chance, skin: Colour, hair: Colour) -> None:
    dreaming = chance.random() < 0.5
    for side in (-1, 1):
        if dreaming:
            brush.flat(curve((side * 0.2, 0.16), (side * 0.36, 0.3), (side * 0.52, 0.16), 0.032), INK)
        else:
            brush.flat(ellipse(side * 0.35, 0.17, 0.1, 0.13), INK)
            brush.flat(circle(side * 0.35 - 0.035, 0.12, 0.038), WHITE)
        brush.flat(
            curve((side * 0.2, -0.12), (side * 0.36, -0.2), (side * 0.54, -0.1), 0.035, 0.02),
            shaded(hair, -0.1),
            0.9,
        )
    _blush(brush, 0.52, 0.42)
    brush.flat(curve((0.02, 0.22), (0.12, 0.42), (0.0, 0.44), 0.024), shaded(skin, -0.32), 0.8)
    lips = mix(skin, (0.8, 0.2, 0.25), 0.6)
    brush.form(curve((-0.2, 0.64), (0, 0.78), (0.2, 0.64), 0.05, 0.04), lips, 0.8, 0.05)


def astronaut(brush: Brush, chance: Chance, tone: Colour | None) -> None:
    """A white suit; the visor mirrors a sunset."""
    suit = tone or colour("#eceef2")
    brush.form(block(0, 1.75, 2.5, 1.6, 0.3), shaded(suit, -0.35), 0.8, 0.2)
    brush.form(union(ellipse(0, 2.4, 1.35, 1.3), ellipse(0, 1.5, 0.8, 0.5), soft=0.3), suit, 1.0, 0.35)
    for side in (-1, 1):
        brush.form(limb(side * 1.05, 1.8, side * 1.42, 3.2, 0.36, 0.34), suit, 1.0, 0.2)
        brush.form(circle(side * 1.02, 0.1, 0.26), shaded(suit, -0.3), 1.0, 0.12)
    brush.form(block(0, 2.15, 0.9, 0.62, 0.1), shaded(suit, -0.12), 0.9, 0.1)
    for k, lamp in enumerate(((0.9, 0.35, 0.3), (0.97, 0.75, 0.3), (0.35, 0.7, 0.85))):
        brush.form(circle(-0.25 + 0.25 * k, 2.15, 0.08), lamp, 1.2, 0.06)
    brush.form(ellipse(0, 1.12, 0.85, 0.22), shaded(suit, -0.2), 1.0, 0.1)
    brush.form(circle(0, 0, 1.08), suit, 1.0, 0.35)
    visor = ellipse(0, 0.04, 0.82, 0.68)
    brush.form(ellipse(0, 0.04, 0.9, 0.76), shaded(suit, -0.3), 0.8, 0.1)
    brush.form(visor, (0.16, 0.14, 0.34), 0.8, 0.3)
    brush.blur(both(visor, ellipse(0.1, 0.56, 0.7, 0.28)), (0.98, 0.5, 0.42), 0.3, 0.75)
    brush.blur(both(visor, ellipse(0.2, 0.66, 0.4, 0.12)), (1.0, 0.82, 0.5), 0.14, 0.8)
    brush.blur(curve((-0.58, 0.05), (-0.54, -0.36), (-0.18, -0.48), 0.05), WHITE, 0.06, 0.85)
    for x, y in ((0.2, -0.3), (0.45, -0.1), (0.05, -0.1), (0.35, -0.42)):
        brush.flat(circle(x, y, 0.022), WHITE, 0.9)


def robot(brush: Brush, chance: Chance, tone: Colour | None) -> None:
    """A friendly box with lamps for eyes."""
    steel = tone or _pick(chance, "#7fa3b0 #d98f4e #8c9fd0 #c9b97a #9dbf9a")
    glow = _pick(chance, "#7ff0ff #ffd45c #9dffb0")
    for side in (-1, 1):
        brush.form(
            curve((side * 0.85, 1.75), (side * 1.5, 1.9), (side * 1.35, 2.8), 0.17),
            shaded(steel, -0.3),
            1.0,
            0.12,
        )
        brush.form(circle(side * 0.95, 1.7, 0.28), shaded(steel, -0.1), 1.0, 0.14)
    brush.form(block(0, 2.3, 1.75, 1.8, 0.28), steel, 1.0, 0.3)
    brush.form(block(0, 2.15, 1.05, 0.8, 0.12), shaded(steel, -0.4), 0.6, 0.1)
    brush.form(circle(0, 2.15, 0.2), glow, 1.0, 0.1)
    brush.canvas.spot(brush.x, brush.y + 2.15 * brush.scale, brush.scale * 0.6, glow, 0.35)
    brush.form(block(0, 1.14, 0.6, 0.4, 0.08), shaded(steel, -0.35), 1.0, 0.1)
    brush.form(limb(0, -0.8, 0, -1.28, 0.045), shaded(steel, -0.3), 1.0, 0.04)
    brush.form(circle(0, -1.36, 0.14), BLUSH, 1.2, 0.1)
    for side in (-1, 1):
        brush.form(block(side * 1.14, 0.05, 0.24, 0.56, 0.08), shaded(steel, -0.25), 1.0, 0.1)
    head = block(0, 0, 2.15, 1.7, 0.42)
    brush.shadow(head, 0.0, 0.16, 0.25, 0.3)
    brush.form(head, steel, 1.0, 0.35)
    brush.form(block(0, 0.05, 1.65, 1.05, 0.32), (0.11, 0.13, 0.2), 0.6, 0.2)
    for side in (-1, 1):
        brush.form(block(side * 0.4, -0.06, 0.3, 0.4, 0.14), glow, 0.6, 0.1)
        brush.canvas.spot(brush.x + side * 0.4 * brush.scale, brush.y, brush.scale * 0.62, glow, 0.4)
    brush.flat(curve((-0.22, 0.32), (0, 0.46), (0.22, 0.32), 0.04), glow)
    brush.blur(limb(-0.8, -0.66, -0.2, -0.7, 0.03), WHITE, 0.07, 0.6)


def snowman(brush: Brush, chance: Chance, tone: Colour | None) -> None:
    """Three balls of snow, a carrot and coal."""
    snow = tone or colour("#eef3fa")
    for side in (-1, 1):
        brush.form(limb(side * 0.9, 1.5, side * 1.9, 0.85, 0.06, 0.035), (0.4, 0.27, 0.2), 1.0, 0.04)
        brush.form(limb(side * 1.6, 1.05, side * 1.72, 0.7, 0.035, 0.02), (0.4, 0.27, 0.2), 1.0, 0.04)
    for y, radius in ((2.75, 1.5), (1.45, 1.08), (0.0, 0.86)):
        brush.shadow(circle(0, y, radius), 0.03, 0.12, 0.25, 0.2)
        brush.form(circle(0, y, radius), snow, 0.8, 0.4)
    for y in (1.15, 1.5, 1.85):
        brush.form(circle(0, y, 0.09), INK, 1.0, 0.08)
    _big_eyes(brush, 0.28, -0.14, 0.11)
    brush.form(limb(0.02, 0.1, 0.62, 0.22, 0.12, 0.02), (0.96, 0.52, 0.2), 1.0, 0.08)
    for k in range(5):
        a = math.pi * (0.22 + 0.14 * k)
        brush.flat(circle(math.cos(a) * 0.46, 0.06 + math.sin(a) * 0.44, 0.05), INK)
    _blush(brush, 0.52, 0.2)


CREATURES = {
    "owl": owl, "bird": bird, "penguin": penguin, "frog": frog, "person": person, "astronaut": astronaut,
    "robot": robot, "snowman": snowman,
}  # fmt: skip
CROWNS = {"owl": -0.72, "bird": -0.62, "penguin": -0.72, "frog": -0.62, "person": -0.62, "astronaut": -0.92,
          "robot": -0.8, "snowman": -0.66}  # fmt: skip
"""Where a hat sits on each of them."""

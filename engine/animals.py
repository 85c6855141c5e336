"""Animals, as busts in soft shapes. Units: the head is about 1 in radius, its centre is the origin."""

from __future__ import annotations

import math

from engine.brush import Brush
from engine.colour import Colour, colour, mix, shaded
from engine.noise import Chance
from engine.shapes import Shape, both, circle, curve, cut, ellipse, limb, polygon, union
from engine.species import SPECIES, Species

INK = colour("#2a1d26")
BLUSH = colour("#f0705f")
WHITE = (1.0, 0.99, 0.96)


def animal(brush: Brush, chance: Chance, kind: str, fur: Colour | None) -> None:
    """Paint the bust of an animal of a known species, in a coat of its own or in `fur`."""
    species = SPECIES[kind]
    coats = species.furs.split()
    coat = fur or colour(coats[int(chance.integers(len(coats)))])
    patch = colour(species.patch)
    if fur and kind in ("cat", "dog", "rabbit"):
        patch = mix(coat, (1.0, 1.0, 1.0), 0.62)
    _body(brush, species, coat, patch)
    head = brush.moved(0, 0, 1.0, float(chance.uniform(-0.05, 0.05)))
    if "mane" in species.marks:
        _mane(head, shaded(mix(coat, (0.62, 0.28, 0.14), 0.75), -0.05))
    _ears(head, species.ears, coat, patch, "panda" in species.marks, "tips" in species.marks)
    shape: Shape = ellipse(0, 0, *species.head)
    if "cheeks" in species.marks:
        tufts = [limb(0, 0.25, side * 1.08, 0.42, 0.4, 0.06) for side in (-1, 1)]
        shape = union(shape, *tufts, soft=0.25)
    elif species.ears != "side":
        shape = union(shape, ellipse(0, 0.28, species.head[0] * 0.96, species.head[1] * 0.68), soft=0.2)
    brush.shadow(shape, 0.0, 0.16, 0.28, 0.3)
    head.form(shape, coat, 1.0, 0.3)
    _marks_below(head, species, coat, patch, shape)
    _muzzle(head, species, coat, patch)
    _eyes(head, *species.eyes, iris=_iris(chance, kind))
    for side in (-1, 1):
        head.blur(ellipse(side * 0.64, 0.27, 0.13, 0.08), BLUSH, 0.13, 0.42)
    _marks_above(head, species, coat)


def _iris(chance: Chance, kind: str) -> Colour | None:
    if kind not in ("cat", "wolf", "fox", "tiger", "lion"):
        return None
    tones = ("#7fb069", "#e0a030", "#5aa9c9", "#c9b13c")
    return colour(tones[int(chance.integers(len(tones)))])


def _body(brush: Brush, species: Species, coat: Colour, patch: Colour) -> None:
    dark = INK if "panda" in species.marks else coat
    if "tail" in species.marks:
        tail = union(
            curve((0.7, 2.2), (1.75, 2.25), (1.62, 1.2), 0.12),
            curve((1.62, 1.2), (1.5, 0.42), (1.98, 0.62), 0.12, 0.1),
            curve((1.98, 0.62), (2.2, 0.86), (1.92, 0.98), 0.1, 0.09),
        )
        brush.form(tail, shaded(coat, -0.08), 1.0, 0.14)
    body = union(ellipse(0, 2.05, 1.05, 1.2), ellipse(0, 1.15, 0.62, 0.5), soft=0.3)
    if "wool" in species.marks:
        body = union(
            *(circle(math.cos(a * 0.52) * 1.0, 2.0 + math.sin(a * 0.52) * 0.95, 0.42) for a in range(12)),
            ellipse(0, 2, 1, 1),
        )
        dark = WHITE
    brush.shadow(body, 0.06, 0.1, 0.25, 0.25)
    brush.form(body, dark, 1.0, 0.35)
    if "wool" not in species.marks:
        brush.blur(
            ellipse(0, 2.05, 0.6, 0.85),
            patch if species.ears != "side" else mix(patch, coat, 0.25),
            0.12,
            0.85,
        )
    for side in (-1, 1):
        arm = union(curve((side * 0.72, 1.5), (side * 1.32, 1.95), (side * 0.9, 2.7), 0.27, 0.25))
        brush.shadow(arm, 0.0, 0.06, 0.14, 0.2)
        brush.form(arm, shaded(dark, -0.06), 0.9, 0.2)


def _ears(head: Brush, kind: str, coat: Colour, patch: Colour, panda: bool, tips: bool) -> None:
    outer = INK if panda else coat
    inner = mix(patch, BLUSH, 0.35)
    for side in (-1, 1):
        if kind == "pointed":
            ear = polygon([(side * 0.88, -0.25), (side * 0.86, -1.18), (side * 0.2, -0.76)], 0.1)
            hole = polygon([(side * 0.78, -0.5), (side * 0.8, -1.0), (side * 0.4, -0.78)], 0.05)
            head.form(ear, outer, 1.0, 0.15)
            if tips:
                head.flat(both(ear, circle(side * 0.9, -1.22, 0.26)), INK, 0.85)
            head.form(hole, inner, 0.7, 0.15)
        elif kind == "floppy":
            head.form(
                union(curve((side * 0.62, -0.62), (side * 1.35, -0.75), (side * 1.12, 0.35), 0.24, 0.33)),
                shaded(coat, -0.3),
                1.0,
                0.2,
            )
        elif kind == "long":
            head.form(limb(side * 0.36, -0.6, side * 0.55, -1.85, 0.25, 0.2), outer, 0.9, 0.15)
            head.form(limb(side * 0.38, -0.7, side * 0.54, -1.78, 0.12, 0.1), inner, 0.7, 0.1)
        elif kind == "cow":
            head.form(ellipse(side * 1.08, -0.2, 0.4, 0.2, side * 0.35), outer, 0.9, 0.12)
            head.form(ellipse(side * 1.1, -0.19, 0.25, 0.1, side * 0.35), inner, 0.6, 0.1)
        elif kind == "flap":
            head.form(
                polygon([(side * 0.4, -0.8), (side * 0.98, -1.0), (side * 0.86, -0.35)], 0.09),
                shaded(coat, -0.1),
                0.9,
                0.12,
            )
        else:
            x, y, r = {
                "round": (0.72, -0.72, 0.34),
                "side": (1.04, -0.02, 0.4),
                "huge": (0.9, -0.78, 0.6),
                "fluffy": (1.0, -0.5, 0.5),
            }[kind]
            head.form(circle(side * x, y, r), outer, 0.9, 0.15)
            head.form(
                circle(side * x, y + r * 0.06, r * 0.62), inner if not panda else shaded(INK, 0.15), 0.7, 0.12
            )


def _marks_below(head: Brush, species: Species, coat: Colour, patch: Colour, shape: Shape) -> None:
    """What is painted on the face, under muzzle and eyes."""
    marks = species.marks
    if "mask" in marks:
        mask = union(
            circle(-0.34, -0.14, 0.47), circle(0.34, -0.14, 0.47), ellipse(0, 0.36, 0.7, 0.46), soft=0.12
        )
        head.form(mask, patch, 0.75, 0.2)
    if "cheeks" in marks:
        for side in (-1, 1):
            white = both(
                shape, union(ellipse(side * 0.62, 0.5, 0.5, 0.34, side * -0.35), ellipse(0, 0.6, 0.5, 0.4))
            )
            head.form(white, patch, 0.6, 0.1)
    if "panda" in marks:
        for side in (-1, 1):
            head.form(ellipse(side * 0.43, -0.02, 0.25, 0.34, side * 0.45), INK, 0.5, 0.1)
    if "bandit" in marks:
        for side in (-1, 1):
            head.form(
                both(shape, ellipse(side * 0.52, 0.0, 0.48, 0.24, side * 0.25)), shaded(INK, 0.12), 0.5, 0.1
            )
    if "blaze" in marks:
        head.form(both(shape, ellipse(0, -0.3, 0.2, 0.75)), patch, 0.7, 0.1)
    if "spots" in marks:
        head.form(both(shape, ellipse(-0.6, -0.25, 0.44, 0.5, 0.3)), INK, 0.6, 0.2)
    if "wool" in marks:
        head.form(
            union(
                *(
                    circle(x, y, 0.3)
                    for x, y in ((-0.5, -0.68), (0, -0.85), (0.5, -0.68), (-0.25, -0.6), (0.25, -0.6))
                )
            ),
            WHITE,
            0.8,
            0.2,
        )
    if "forehead" in marks or "stripes" in marks:
        tone = INK if "stripes" in marks else shaded(coat, -0.35)
        for x, length in ((-0.2, 0.26), (0.0, 0.34), (0.2, 0.26)):
            head.flat(limb(x, -0.82, x * 0.72, -0.82 + length, 0.055, 0.015), tone, 0.8)
        for side in (-1, 1):
            for y in (0.02, 0.24) if "stripes" in marks else ():
                head.flat(limb(side * 0.98, y, side * 0.7, y + 0.04, 0.06, 0.012), tone, 0.8)


def _muzzle(head: Brush, species: Species, coat: Colour, patch: Colour) -> None:
    nose = colour(species.nose)
    if species.muzzle == "wide":
        if "mask" not in species.marks:
            head.form(ellipse(0, 0.38, 0.5, 0.38), patch, 0.8, 0.2)
        head.form(ellipse(0, 0.15, 0.13, 0.085), nose, 0.9, 0.06)
        head.blur(ellipse(-0.04, 0.12, 0.03, 0.015), WHITE, 0.03, 0.7)
        head.flat(curve((-0.34, 0.42), (0, 0.7), (0.34, 0.42), 0.03), INK)
        head.flat(limb(-0.36, 0.38, -0.31, 0.43, 0.025), INK)
        head.flat(limb(0.36, 0.38, 0.31, 0.43, 0.025), INK)
    elif species.muzzle == "snout":
        head.form(
            ellipse(0, 0.36, 0.44, 0.31),
            patch if "spots" in species.marks else shaded(patch, 0.05),
            1.0,
            0.15,
        )
        for side in (-1, 1):
            head.form(ellipse(side * 0.15, 0.35, 0.07, 0.1), nose, 0.5, 0.05)
        head.flat(curve((-0.2, 0.75), (0, 0.86), (0.2, 0.75), 0.026), INK)
    elif species.muzzle == "koala":
        head.form(ellipse(0, 0.2, 0.23, 0.34), nose, 1.2, 0.14)
        head.flat(curve((-0.18, 0.64), (0, 0.74), (0.18, 0.64), 0.026), INK)
    else:
        long = species.muzzle == "long"
        if long:
            head.form(ellipse(0, 0.42, 0.4, 0.36), patch, 0.8, 0.2)
        else:
            for side in (-1, 1):
                head.form(ellipse(side * 0.17, 0.4, 0.25, 0.19), patch, 0.7, 0.12)
        size = 1.45 if long else 1.0
        tip = polygon([(-0.1 * size, 0.2), (0.1 * size, 0.2), (0, 0.2 + 0.1 * size)], 0.035 * size)
        head.form(tip, nose, 1.0, 0.06)
        head.blur(ellipse(-0.04, 0.2, 0.04, 0.012), WHITE, 0.03, 0.6)
        y = 0.3 + 0.06 * size
        head.flat(limb(0, y, 0, y + 0.1, 0.022), INK)
        if "tongue" in species.marks:
            head.form(limb(0.02, y + 0.18, 0.04, y + 0.34, 0.12, 0.11), (0.94, 0.47, 0.5), 0.9, 0.08)
        for side in (-1, 1):
            head.flat(curve((0, y + 0.09), (side * 0.1, y + 0.22), (side * 0.25, y + 0.1), 0.024), INK)


def _eyes(head: Brush, x: float, y: float, iris: Colour | None) -> None:
    for side in (-1, 1):
        ex = side * x
        if iris:
            head.form(ellipse(ex, y, 0.19, 0.2), iris, 0.8, 0.1)
            head.flat(ellipse(ex, y, 0.11, 0.175), INK)
            head.flat(cut(ellipse(ex, y, 0.21, 0.22), ellipse(ex, y + 0.02, 0.19, 0.2)), INK)
        else:
            head.flat(ellipse(ex, y, 0.145, 0.185), INK)
            head.blur(ellipse(ex, y + 0.11, 0.07, 0.035), (0.62, 0.42, 0.38), 0.05, 0.7)
        head.flat(circle(ex - 0.045, y - 0.07, 0.056), WHITE)
        head.flat(circle(ex + 0.05, y + 0.06, 0.026), WHITE, 0.85)


def _marks_above(head: Brush, species: Species, coat: Colour) -> None:
    if "teeth" in species.marks:
        head.flat(polygon([(-0.07, 0.5), (0.07, 0.5), (0.06, 0.6), (-0.06, 0.6)], 0.02), WHITE)
    if "whiskers" in species.marks:
        tone = WHITE if sum(coat) < 1.9 else shaded(coat, -0.45)
        for side in (-1, 1):
            for lift in (-0.12, 0.0, 0.12):
                head.flat(
                    curve(
                        (side * 0.42, 0.4 + lift * 0.4),
                        (side * 0.8, 0.34 + lift),
                        (side * 1.2, 0.42 + lift * 1.8),
                        0.014,
                        0.006,
                    ),
                    tone,
                    0.85,
                )
    if "mask" in species.marks:
        for side in (-1, 1):
            head.flat(
                curve((side * 0.2, -0.42), (side * 0.34, -0.5), (side * 0.48, -0.41), 0.028),
                shaded(coat, -0.25),
                0.9,
            )


def _mane(head: Brush, tone: Colour) -> None:
    for ring, number, far in ((0, 17, 1.02), (1, 15, 0.84)):
        shade = shaded(tone, -0.15 + 0.25 * ring)
        petals = [
            ellipse(math.cos(a) * far, math.sin(a) * far + 0.04, 0.34, 0.24, a)
            for a in (k * math.tau / number + ring * 0.2 for k in range(number))
        ]
        head.form(union(*petals, circle(0, 0.04, far * 0.9)), shade, 0.9, 0.2)

"""What a sitter can wear: hats, crowns, glasses, scarves and bow ties. Units: a head is about 1 in radius."""

from __future__ import annotations

import math

from engine.brush import Brush
from engine.colour import Colour, colour, shaded
from engine.noise import Chance
from engine.shapes import block, both, circle, curve, cut, ellipse, limb, polygon, union

FELTS = tuple(
    colour(c) for c in ["#c8402f", "#2f5d8c", "#3d7d5b", "#7a4a86", "#d99a2b", "#b8733f", "#2f3142"]
)
BANDS = tuple(colour(c) for c in ["#2b2230", "#f4e3c1", "#f0b541", "#7b2335"])


def hat(brush: Brush, chance: Chance, wide: float, felt: Colour | None, kind: str | None = None) -> None:
    """A hat whose brim is at the origin, for a head `wide` units wide there; jaunty, so a little aslant."""
    tone = felt or FELTS[int(chance.integers(len(FELTS)))]
    band = BANDS[int(chance.integers(len(BANDS)))]
    worn = brush.moved(0, 0, wide, float(chance.uniform(-0.16, 0.12)))
    kinds: tuple[str, ...] = ("fedora", "fedora", "top", "straw", "bowler", "party", "beanie")
    if felt:  # straw has a colour of its own
        kinds = tuple(k for k in kinds if k != "straw")
    chosen = kind or kinds[int(chance.integers(len(kinds)))]
    {"fedora": _fedora, "top": _top, "straw": _straw, "bowler": _bowler, "party": _party, "beanie": _beanie,
     "wizard": _wizard}[chosen](worn, tone, band)  # fmt: skip


def _brim(brush: Brush, tone: Colour, wide: float, tall: float) -> None:
    shape = ellipse(0, 0, wide, tall)
    brush.shadow(shape, 0.03, 0.13, 0.16, 0.42)
    brush.form(shape, tone, 1.0, 0.12)
    brush.flat(cut(shape, ellipse(0, -0.035, wide * 0.99, tall * 0.93)), shaded(tone, -0.35), 0.6)


def _fedora(brush: Brush, tone: Colour, band: Colour) -> None:
    _brim(brush, tone, 1.28, 0.24)
    crown = union(
        polygon(
            [
                (-0.66, -0.02),
                (-0.5, -0.78),
                (-0.2, -0.9),
                (0.0, -0.8),
                (0.2, -0.9),
                (0.5, -0.78),
                (0.66, -0.02),
            ],
            0.06,
        ),
        ellipse(0, -0.02, 0.72, 0.13),
        soft=0.04,
    )
    brush.form(crown, tone, 1.2, 0.2)
    brush.blur(ellipse(0.02, -0.74, 0.2, 0.08), shaded(tone, -0.5), 0.12, 0.55)
    belt = both(crown, cut(ellipse(0, 0.0, 0.9, 0.16), ellipse(0, -0.22, 0.92, 0.16)))
    brush.form(belt, band, 0.8, 0.1)
    brush.form(limb(0.5, -0.12, 0.78, -0.62, 0.05, 0.01), shaded(band, 0.2), 1.0, 0.03)
    brush.form(limb(0.46, -0.1, 0.62, -0.66, 0.045, 0.01), (0.93, 0.5, 0.3), 1.0, 0.03)


def _top(brush: Brush, tone: Colour, band: Colour) -> None:
    _brim(brush, tone, 1.08, 0.2)
    crown = union(
        polygon([(-0.6, 0.0), (-0.68, -1.15), (0.68, -1.15), (0.6, 0.0)], 0.02), ellipse(0, 0, 0.62, 0.12)
    )
    brush.form(crown, tone, 1.1, 0.2)
    brush.form(both(crown, block(0, -0.18, 2, 0.24)), band, 0.8, 0.1)
    brush.form(ellipse(0, -1.16, 0.7, 0.12), shaded(tone, 0.15), 0.7, 0.1)
    brush.blur(limb(-0.46, -0.98, -0.42, -0.4, 0.04), (1.0, 1.0, 1.0), 0.08, 0.3)


def _straw(brush: Brush, tone: Colour, band: Colour) -> None:
    straw = (0.93, 0.78, 0.47)
    _brim(brush, straw, 1.42, 0.28)
    crown = union(ellipse(0, -0.3, 0.68, 0.5), block(0, -0.12, 1.36, 0.3, 0.1), soft=0.05)
    for k in range(3):
        ring = cut(
            ellipse(0, 0, 1.3 - k * 0.2, 0.245 - k * 0.04), ellipse(0, 0, 1.28 - k * 0.2, 0.232 - k * 0.04)
        )
        brush.flat(ring, shaded(straw, -0.25), 0.5)
    brush.form(crown, straw, 1.1, 0.18)
    for k in range(3):
        y = -0.42 - k * 0.11
        brush.flat(
            both(crown, cut(ellipse(0, y, 0.9, 0.14), ellipse(0, y - 0.022, 0.9, 0.14))),
            shaded(straw, -0.25),
            0.35,
        )
    brush.form(both(crown, cut(ellipse(0, -0.02, 0.9, 0.16), ellipse(0, -0.25, 0.92, 0.16))), tone, 0.9, 0.1)


def _bowler(brush: Brush, tone: Colour, band: Colour) -> None:
    _brim(brush, tone, 1.06, 0.19)
    crown = union(ellipse(0, -0.32, 0.7, 0.54), block(0, -0.1, 1.38, 0.24, 0.1), soft=0.05)
    brush.form(crown, tone, 1.2, 0.25)
    brush.form(both(crown, cut(ellipse(0, -0.01, 0.9, 0.14), ellipse(0, -0.22, 0.92, 0.14))), band, 0.8, 0.1)
    brush.blur(ellipse(-0.3, -0.6, 0.12, 0.08, -0.5), (1.0, 1.0, 1.0), 0.1, 0.4)


def _party(brush: Brush, tone: Colour, band: Colour) -> None:
    cone = polygon([(-0.56, 0.0), (0.0, -1.35), (0.56, 0.0), (0.3, 0.08), (-0.3, 0.08)], 0.03)
    brush.shadow(cone, 0.03, 0.08, 0.12, 0.3)
    brush.form(cone, tone, 1.0, 0.15)
    for k in range(4):
        stripe = limb(-0.8, -0.02 - k * 0.36, 0.8, -0.42 - k * 0.36, 0.055)
        brush.form(both(cone, stripe), (0.99, 0.9, 0.62) if k % 2 else (0.98, 0.97, 0.93), 0.7, 0.1)
    for k in range(9):
        a = k * math.tau / 9
        brush.form(
            ellipse(math.cos(a) * 0.11, -1.4 + math.sin(a) * 0.11, 0.1, 0.1), (0.99, 0.83, 0.4), 0.9, 0.06
        )


def _beanie(brush: Brush, tone: Colour, band: Colour) -> None:
    dome = cut(ellipse(0, 0.05, 0.92, 0.86), block(0, 0.55, 3, 1))
    brush.form(dome, tone, 1.1, 0.25)
    for k in range(-3, 4):
        brush.flat(
            both(dome, curve((k * 0.25, 0.1), (k * 0.28, -0.5), (k * 0.06, -0.82), 0.012)),
            shaded(tone, -0.35),
            0.5,
        )
    cuff = block(0, 0.0, 1.96, 0.34, 0.16)
    brush.shadow(cuff, 0.0, 0.07, 0.1, 0.35)
    brush.form(cuff, shaded(tone, 0.18), 0.9, 0.12)
    brush.form(circle(0, -0.9, 0.22), shaded(tone, 0.4), 1.0, 0.12)


def _wizard(brush: Brush, tone: Colour, band: Colour) -> None:
    _brim(brush, tone, 1.35, 0.24)
    cone = union(
        polygon([(-0.66, 0.0), (-0.12, -1.0), (0.3, -1.38), (0.24, -0.9), (0.66, 0.0)], 0.04),
        ellipse(0, 0, 0.7, 0.12),
    )
    brush.form(cone, tone, 1.1, 0.2)
    brush.form(
        both(cone, cut(ellipse(0, 0.0, 0.9, 0.16), ellipse(0, -0.2, 0.92, 0.16))), (0.93, 0.74, 0.3), 0.8, 0.1
    )
    for x, y, r in ((-0.1, -0.5, 0.09), (0.22, -0.78, 0.06), (0.28, -0.34, 0.07)):
        star = polygon(
            [
                (
                    x + math.sin(k * math.pi / 5) * r * (1 if k % 2 == 0 else 0.42),
                    y - math.cos(k * math.pi / 5) * r * (1 if k % 2 == 0 else 0.42),
                )
                for k in range(10)
            ]
        )
        brush.flat(star, (0.99, 0.87, 0.5))


def crown(brush: Brush, wide: float) -> None:
    """Gold, with stones."""
    worn, gold = brush.moved(0, 0, wide), (0.94, 0.74, 0.27)
    points = [
        (-0.72, 0.08),
        (-0.84, -0.62),
        (-0.42, -0.24),
        (0.0, -0.78),
        (0.42, -0.24),
        (0.84, -0.62),
        (0.72, 0.08),
    ]
    shape = union(polygon(points, 0.03), ellipse(0, 0.06, 0.74, 0.13))
    worn.shadow(shape, 0.0, 0.09, 0.1, 0.35)
    worn.form(shape, gold, 1.3, 0.15)
    for x, y in ((-0.84, -0.66), (0.0, -0.82), (0.84, -0.66)):
        worn.form(circle(x, y, 0.09), (0.98, 0.9, 0.62), 1.0, 0.06)
    for x, tone in ((-0.42, (0.3, 0.55, 0.85)), (0.0, (0.85, 0.25, 0.3)), (0.42, (0.3, 0.7, 0.5))):
        worn.form(ellipse(x, -0.03 + 0.06 * (1 - abs(x)), 0.085, 0.11), tone, 1.2, 0.08)


def glasses(brush: Brush, eye_x: float, eye_y: float, dark: bool) -> None:
    """Round spectacles, or sunglasses."""
    frame = (0.12, 0.1, 0.14)
    for side in (-1, 1):
        lens = (
            circle(side * eye_x, eye_y, 0.3)
            if not dark
            else block(side * eye_x, eye_y + 0.03, 0.6, 0.46, 0.19)
        )
        brush.flat(lens, frame if dark else (0.85, 0.95, 1.0), 0.94 if dark else 0.2)
        brush.flat(
            cut(circle(side * eye_x, eye_y, 0.33), circle(side * eye_x, eye_y, 0.275))
            if not dark
            else cut(lens, lens),
            frame,
        )
        brush.flat(
            both(lens, limb(side * eye_x - 0.3, eye_y + 0.12, side * eye_x + 0.05, eye_y - 0.3, 0.05)),
            (1.0, 1.0, 1.0),
            0.32,
        )
    brush.flat(
        curve((-eye_x + 0.29, eye_y - 0.04), (0, eye_y - 0.16), (eye_x - 0.29, eye_y - 0.04), 0.032), frame
    )


def scarf(brush: Brush, tone: Colour) -> None:
    """Around the neck (y = 0), one end hanging down."""
    end = limb(0.36, 0.15, 0.5, 1.0, 0.2, 0.22)
    brush.shadow(end, 0.03, 0.05, 0.1, 0.3)
    brush.form(end, shaded(tone, -0.1), 0.9, 0.15)
    wrap = curve((-0.8, -0.08), (0, 0.42), (0.8, -0.08), 0.24)
    brush.shadow(wrap, 0.0, 0.07, 0.12, 0.3)
    brush.form(wrap, tone, 1.0, 0.2)
    for t in (-0.5, -0.15, 0.2, 0.55):
        brush.flat(limb(t, 0.0, t + 0.1, 0.3, 0.035), shaded(tone, 0.4), 0.55)


def bow(brush: Brush, tone: Colour) -> None:
    """A bow tie around (0, 0)."""
    for side in (-1, 1):
        brush.form(
            polygon(
                [(0, -0.04), (side * 0.42, -0.22), (side * 0.46, 0.0), (side * 0.42, 0.22), (0, 0.04)], 0.05
            ),
            tone,
            1.1,
            0.12,
        )
        brush.flat(limb(side * 0.12, 0, side * 0.3, -0.05, 0.015, 0.008), shaded(tone, -0.4), 0.7)
    brush.form(block(0, 0, 0.2, 0.24, 0.07), shaded(tone, -0.15), 1.0, 0.08)

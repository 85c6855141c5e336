"""The backdrop of a portrait: a plain warm wall, a disc of light, and leaves that frame the sitter."""

from __future__ import annotations

import math

import numpy as np

from engine.brush import Brush
from engine.canvas import Canvas
from engine.colour import Colour, colour, mix, ramp, shaded, tinted
from engine.look import Look
from engine.noise import Chance, octave
from engine.shapes import leaf, limb, union
from engine.sky import stars

SCHEMES: tuple[tuple[Colour, ...], ...] = tuple(
    tuple(colour(c) for c in entry.split())
    for entry in (  # wall above, wall below, disc, dark leaf, light leaf
        "#f8dcb9 #eeb38f #f0765a #1f5a50 #4f9b78",
        "#c9e6e0 #8cc6c4 #fae8b4 #14555a #3d9184",
        "#f7d0d4 #e7a3b4 #fff0dc #4a3c74 #8d6bb0",
        "#f5e6ad #ecc56a #f3925a #245060 #3b9c8e",
        "#d3dcf2 #9fb4e2 #f7b795 #38498a #6d86c8",
        "#dcebc6 #a5cf9d #fff3c4 #23604a #5da866",
        "#f3d3b3 #d98f6f #7fc4ba #2a4858 #4f8a8b",
    )
)
WINTER = tuple(colour(c) for c in ["#dbe8f5", "#a3c0e0", "#fdf0e2", "#35568a", "#7fa3cf"])
NIGHT = tuple(colour(c) for c in ["#1c2554", "#46568f", "#f6dc9a", "#111a3c", "#2f4a86"])


def scheme(look: Look) -> tuple[Colour, ...]:
    """Five colours: wall above and below, disc, dark and light leaf."""
    if look.palette.dark:
        return NIGHT if look.plan.hour != "neon" else tuple(tinted(c, colour("#c02aa0"), 0.7) for c in NIGHT)
    if look.plan.hour == "winter":
        return WINTER
    colours = SCHEMES[int(look.chance("wall").integers(len(SCHEMES)))]
    if look.plan.tint:
        tint = look.plan.tint
        colours = tuple(tinted(c, tint, a) for c, a in zip(colours, (0.8, 0.85, 0.35, 0.3, 0.3), strict=True))
    return colours


def wall(canvas: Canvas, look: Look) -> None:
    """The wall, the disc behind the head, and far leaves."""
    above, below, disc, dark, light = scheme(look)
    chance = look.chance("backdrop")
    drift = octave(chance, canvas.height, canvas.width, canvas.unit * 0.7) - np.float32(0.5)
    canvas.fill(ramp((above, below), np.clip(canvas.y / canvas.height + drift * np.float32(0.25), 0, 1)))
    x, y, radius = canvas.width * 0.5, canvas.height * 0.46, canvas.unit * 0.37
    if look.palette.dark:
        stars(canvas, look, 1.0)
    elif chance.random() < 0.45:
        _sunburst(canvas, x, y, mix(above, (1.0, 1.0, 1.0), 0.5))
    canvas.spot(x, y, radius * 2.1, shaded(disc, 0.4), 0.35)
    t = np.clip((canvas.y - np.float32(y - radius)) * np.float32(0.5 / radius), 0, 1)
    far = np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y))
    canvas.blend(
        np.clip(np.float32(radius + 0.5) - far, 0, 1),
        ramp((shaded(disc, 0.3), disc, mix(disc, below, 0.45)), t),
    )
    _leaves(canvas, chance, mix(dark, below, 0.5), mix(light, below, 0.45), 0.95, 7)


def frame(canvas: Canvas, look: Look) -> None:
    """Near leaves in the lower corners, before the sitter."""
    _, _, _, dark, light = scheme(look)
    _leaves(canvas, look.chance("near leaves"), dark, light, 0.72, 6)


def _sunburst(canvas: Canvas, x: float, y: float, tone: Colour) -> None:
    angle = np.arctan2(canvas.y - np.float32(y), canvas.x - np.float32(x))
    far = np.hypot(canvas.y - np.float32(y), canvas.x - np.float32(x)) + 1
    beams = np.clip(np.sin(angle * 14) * far * np.float32(1 / 14) + np.float32(0.5), 0, 1)
    canvas.blend(beams * np.float32(0.3), tone)


def _leaves(canvas: Canvas, chance: Chance, dark: Colour, light: Colour, size: float, many: int) -> None:
    """A bunch of leaves in each lower corner: palm fronds or broad leaves."""
    palm = chance.random() < 0.4
    for side in (-1, 1):
        x, y = canvas.width * (0.5 + side * 0.5), canvas.height * 1.02
        brush = Brush(canvas, x, y, canvas.unit * size * 0.5)
        for k in chance.permutation(many):
            spread = (k + chance.uniform(0.1, 0.9)) / many
            angle = -math.pi / 2 - side * (spread * 1.7 - 0.35)
            tone = mix(dark, light, round(float(chance.random()), 2))
            length = chance.uniform(0.75, 1.15) * (1 - 0.25 * abs(spread - 0.5))
            draw = _frond if palm else _broad
            draw(brush, angle, length, tone)


def _broad(brush: Brush, angle: float, length: float, tone: Colour) -> None:
    shape = leaf(0, 0, length, length * 0.42, angle)
    brush.shadow(shape, 0.02, 0.04, 0.06, 0.22)
    brush.form(shape, tone, 0.9, 0.1)
    c, s = math.cos(angle), math.sin(angle)
    veins = [limb(0, 0, c * length * 0.95, s * length * 0.95, 0.012, 0.003)]
    for t in (0.3, 0.45, 0.6, 0.75):
        for side in (-1, 1):
            a = angle + side * 0.7
            reach = length * 0.2 * (1.1 - abs(t - 0.45))
            veins.append(
                limb(
                    c * length * t,
                    s * length * t,
                    c * length * t + math.cos(a) * reach,
                    s * length * t + math.sin(a) * reach,
                    0.006,
                    0.002,
                )
            )
    brush.flat(union(*veins), shaded(tone, 0.4), 0.5)


def _frond(brush: Brush, angle: float, length: float, tone: Colour) -> None:
    c, s = math.cos(angle), math.sin(angle)
    for t in (0.25, 0.4, 0.55, 0.7, 0.85):
        for side in (-1, 1):
            a = angle + side * (0.95 - 0.4 * t)
            brush.form(
                leaf(c * length * t, s * length * t, length * (0.5 - 0.25 * t), length * 0.085, a),
                tone,
                0.9,
                0.05,
            )
    brush.form(
        leaf(c * length * 0.85, s * length * 0.85, length * 0.3, length * 0.08, angle), tone, 0.9, 0.05
    )
    brush.flat(limb(0, 0, c * length * 1.05, s * length * 1.05, 0.014, 0.004), shaded(tone, 0.35))

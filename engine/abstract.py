"""Pictures of nothing in particular: ribbons, marble, paper cuts and orbs, for prompts that name no thing."""

from __future__ import annotations

import math

import numpy as np

from engine.canvas import Canvas
from engine.colour import Colour, colour, ramp, shaded, tinted
from engine.look import Look
from engine.noise import Field, bent, clouds, enlarge, octave, smooth

SCHEMES: tuple[tuple[Colour, ...], ...] = tuple(
    tuple(colour(c) for c in entry.split())
    for entry in (
        "#1b1b3a #693668 #a74482 #f84aa7 #ff9f6b #ffe3b0",
        "#0b2545 #13458a #1f7a9c #4fb3a9 #b8dfc4 #fdf3d8",
        "#22223b #4a4e69 #9a8c98 #d8b9a8 #f2e0d0 #faf3ea",
        "#10312b #1f5c4d #5a9367 #c2c66a #f2d98d #fbf3dc",
        "#2b1055 #5a2ca0 #4f6fe0 #5fc0e8 #bff0e4 #fdfcf0",
        "#3d0c11 #8a1c2b #d8432f #f58b3c #fbc86a #fdf0cf",
        "#1d2d50 #133b5c #1e5f74 #e07a5f #f2cc8f #f9f1e0",
        "#2c2a4a #4f518c #907ad6 #dabfff #ffd6e0 #fff7f2",
    )
)


def scheme(look: Look) -> tuple[Colour, ...]:
    """Six colours from deep to bright, in the hue that was asked for."""
    chance = look.chance("scheme")
    colours = SCHEMES[int(chance.integers(len(SCHEMES)))]
    if look.plan.tint:
        colours = tuple(tinted(c, look.plan.tint, 0.8) for c in colours)
    return colours


def ribbons(canvas: Canvas, look: Look) -> None:
    """Sheets of coloured light, one over the other."""
    chance = look.chance("ribbons")
    colours = scheme(look)
    if chance.random() < 0.5:
        colours = colours[::-1]
    canvas.fill(
        ramp(
            colours[:2],
            (canvas.y / np.float32(canvas.height) + canvas.x / np.float32(canvas.width)) * np.float32(0.5),
        )
    )
    layers = 8
    x = canvas.x / np.float32(canvas.unit)
    span = canvas.width / canvas.unit
    slope = chance.uniform(-0.45, 0.45) / span
    for i in range(layers):
        t = i / (layers - 1)
        line = np.full_like(x, 0.08 + 0.86 * t) + (x - np.float32(span / 2)) * np.float32(slope)
        for k in range(3):
            rate = (1.1 + k * 1.5) * chance.uniform(0.8, 1.3)
            swing = 0.13 / (k + 1) * chance.uniform(0.6, 1.25)
            line = line + np.float32(swing) * np.sin(
                x * np.float32(rate * 2) + np.float32(t * 2.4 * (k + 1) + chance.uniform(0, 1.2))
            )
        line = line * np.float32(canvas.height)
        below = canvas.y - line
        alpha = np.clip(below + np.float32(0.5), 0, 1)
        soft = np.float32(1 / (canvas.unit * 0.09))
        canvas.blend(
            np.exp(np.minimum(below, 0) * soft) * (1 - alpha) * np.float32(0.34), shaded(colours[0], -0.4)
        )
        place = np.float32(0.12 + 0.76 * t) + below * np.float32(0.42 / canvas.height) * np.float32(
            -1 if i % 2 else 1
        )
        sheen = np.float32(0.13) * np.sin(
            x * np.float32(chance.uniform(1.2, 2.4)) + np.float32(chance.uniform(0, 6))
        )
        canvas.blend(alpha * np.float32(0.94), ramp(colours, np.clip(place + sheen, 0, 1)))
        canvas.glow(
            np.exp(-np.maximum(below, 0) * np.float32(14 / canvas.unit)) * alpha * np.float32(0.3),
            colours[-1],
        )


def marble(canvas: Canvas, look: Look) -> None:
    """Ink in water: noise bent by noise, lit like a surface."""
    chance = look.chance("marble")
    height, width = max(canvas.height // 2, 8), max(canvas.width // 2, 8)
    unit = canvas.unit / 2
    push = np.float32(unit * chance.uniform(0.7, 1.1))
    dx = (clouds(chance, height, width, unit * 0.7, 2) - np.float32(0.5)) * push
    dy = (clouds(chance, height, width, unit * 0.7, 2) - np.float32(0.5)) * push
    ink = octave(chance, height, width, unit * 0.55) + octave(
        chance, height, width, unit * 0.22
    ) * np.float32(0.35)
    first = bent(ink, dx, dy)
    second = bent(first, (first - np.float32(0.6)) * push * np.float32(1.5), dx * np.float32(0.7))
    second = enlarge(second, canvas.height, canvas.width)
    t = smooth(0.15, 1.2, second)
    swirl = np.sin(second * np.float32(chance.uniform(16, 24))) * np.float32(0.09)
    canvas.fill(ramp(scheme(look), np.clip(t + swirl, 0, 1)))
    relief = np.zeros_like(second)
    reach = max(1, int(canvas.unit / 200))
    relief[reach:, reach:] = second[:-reach, :-reach] - second[reach:, reach:]
    canvas.glow(np.clip(relief * np.float32(6 / reach), 0, 0.35), (1.0, 0.95, 0.88))
    canvas.blend(np.clip(-relief * np.float32(5 / reach), 0, 0.3), scheme(look)[0])


def paper(canvas: Canvas, look: Look) -> None:
    """A grid of quarter circles, stripes and discs, cut from paper."""
    chance = look.chance("paper")
    colours = scheme(look)
    across = max(1, min(14, round(canvas.width / canvas.unit * 4)))
    down = max(1, min(14, round(canvas.height / canvas.unit * 4)))
    wide, tall = canvas.width / across, canvas.height / down
    for row in range(down):
        for column in range(across):
            pair = chance.permutation(len(colours))[:3]
            back, front, third = (colours[int(i)] for i in pair)
            left, top = column * wide, row * tall
            rows, columns = canvas.window(left, top, left + wide, top + tall)
            x = (canvas.x[:, columns] - np.float32(left)) * np.float32(1 / wide)
            y = (canvas.y[rows] - np.float32(top)) * np.float32(1 / tall)
            if chance.random() < 0.5:
                x = 1 - x
            if chance.random() < 0.5:
                y = 1 - y
            sharp = np.float32(min(wide, tall))
            lit = ramp((shaded(back, 0.1), shaded(back, -0.08)), (x + y) * np.float32(0.5))
            canvas.blend(np.ones((1, 1), np.float32), lit, rows, columns)
            for fringe, cover in _cuts(int(chance.integers(6)), x, y, sharp):
                canvas.blend(fringe * np.float32(0.22), (0.1, 0.05, 0.12), rows, columns)
                canvas.blend(
                    cover,
                    ramp((shaded(front, 0.12), shaded(front, -0.1)), (x + y) * np.float32(0.5)),
                    rows,
                    columns,
                )
                front = third


def _cuts(kind: int, x: Field, y: Field, sharp: np.float32) -> list[tuple[Field, Field]]:
    """The pieces of a tile, the lower first: (shadow, cover)."""
    corner, middle = np.hypot(x, y), np.hypot(x - np.float32(0.5), y - np.float32(0.5))
    inside = {
        0: [corner - 1],
        1: [corner - 1, corner - np.float32(0.5)],
        2: [middle - np.float32(0.42), middle - np.float32(0.2)],
        3: [x + y - 1],
        4: [np.maximum(corner - 1, np.hypot(x - 1, y - 1) - 1)],
        5: [
            np.hypot(x - np.float32(0.5), y) - np.float32(0.5),
            np.hypot(x - np.float32(0.5), y - 1) - np.float32(0.5),
        ],
    }[kind]
    return [
        (np.exp(-np.maximum(d, 0) * np.float32(16)), np.clip(np.float32(0.5) - d * sharp, 0, 1))
        for d in inside
    ]


def orbs(canvas: Canvas, look: Look) -> None:
    """Glass balls that float in a soft gradient."""
    chance = look.chance("orbs")
    colours = scheme(look)
    height, width = max(canvas.height // 4, 8), max(canvas.width // 4, 8)
    drift = clouds(chance, height, width, canvas.unit / 4 * 0.8, 2)
    canvas.fill(ramp(colours[1:], np.clip(enlarge(drift, canvas.height, canvas.width), 0, 1)))
    many = int(9 * min(3.0, math.sqrt(canvas.width * canvas.height) / canvas.unit))
    for size in np.sort(chance.random(many) ** 2.2):
        radius = canvas.unit * (0.035 + 0.2 * size)
        x, y = chance.uniform(0.05, 0.95) * canvas.width, chance.uniform(0.05, 0.95) * canvas.height
        tone = colours[int(chance.integers(1, len(colours)))]
        rows, columns = canvas.window(x - radius * 1.5, y - radius * 1.2, x + radius * 1.5, y + radius * 1.9)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        px = (canvas.x[:, columns] - np.float32(x)) * np.float32(1 / radius)
        py = (canvas.y[rows] - np.float32(y)) * np.float32(1 / radius)
        shade = np.clip(1 - np.hypot(px * np.float32(0.8), py - np.float32(0.55)) * np.float32(0.85), 0, 1)
        canvas.blend(shade * shade * np.float32(0.5), shaded(colours[0], -0.3), rows, columns)
        far = np.hypot(px, py)
        depth = np.sqrt(np.clip(1 - far * far, 0, 1))
        lit = np.clip(depth * np.float32(0.55) - px * np.float32(0.42) - py * np.float32(0.5), 0, 1)
        under = np.clip(py * np.float32(0.7) + px * np.float32(0.3), 0, 1) * (1 - depth)
        paint = ramp(
            (shaded(tone, -0.5), tone, shaded(tone, 0.55)), np.clip(lit + under * np.float32(0.6), 0, 1)
        )
        canvas.blend(np.clip((1 - far) * np.float32(radius) + np.float32(0.5), 0, 1), paint, rows, columns)
        shine = np.clip(1 - np.hypot(px + np.float32(0.36), py + np.float32(0.42)) * np.float32(3.6), 0, 1)
        canvas.glow(shine * shine * np.float32(0.9), (1.0, 1.0, 1.0), rows, columns)


KINDS = (ribbons, marble, paper, orbs, ribbons)


def abstract(canvas: Canvas, look: Look) -> None:
    """One of the kinds, by what the prompt and seed are; geometric words choose the paper cut."""
    words = set(look.plan.words)
    if words & {"geometric", "pattern", "minimal", "minimalist", "bauhaus"}:
        paper(canvas, look)
    elif words & {"fractal", "swirl", "marble", "texture", "fluid", "ink"}:
        marble(canvas, look)
    else:
        KINDS[int(look.chance("abstract").integers(len(KINDS)))](canvas, look)

"""Space: nebulae of warped noise, stars, and planets."""

from __future__ import annotations

import numpy as np

from engine.brush import Brush
from engine.canvas import Canvas
from engine.colour import Colour, colour, mix, ramp, shaded
from engine.look import Look
from engine.noise import bent, clouds, enlarge, octave, smooth
from engine.shapes import ellipse

NEBULAE: tuple[tuple[Colour, ...], ...] = tuple(
    tuple(colour(c) for c in entry.split())
    for entry in (
        "#04050f #141a4a #5b2a86 #d64f8e #ffd0a8",
        "#03060f #0b2a45 #146a7c #5fc9b0 #fdf1c2",
        "#060410 #2a1150 #7a2378 #f0684f #ffe0a0",
        "#04060f #10255c #2f66b8 #8fc7ee #fff4e4",
    )
)


def nebula(canvas: Canvas, look: Look) -> None:
    """Clouds of light, bent by other clouds; at half size, for they are soft."""
    chance = look.chance("nebula")
    tones = NEBULAE[int(chance.integers(len(NEBULAE)))]
    if look.plan.tint:
        tones = (tones[0], mix(tones[1], look.plan.tint, 0.5), mix(tones[2], look.plan.tint, 0.6), *tones[3:])
    height, width = max(canvas.height // 2, 8), max(canvas.width // 2, 8)
    unit = canvas.unit / 2
    gas = clouds(chance, height, width, unit * 0.55, 5)
    push = np.float32(unit * 0.55)
    dx = (clouds(chance, height, width, unit * 0.5, 3) - np.float32(0.5)) * push
    dy = (clouds(chance, height, width, unit * 0.5, 3) - np.float32(0.5)) * push
    gas = bent(gas, dx, dy)
    slant = np.float32(chance.uniform(-0.9, 0.9))
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    across = y - x * slant + (dx / push) * np.float32(0.5)
    band = np.exp(-across * across * np.float32(1.7))
    dust = smooth(0.55, 0.95, bent(clouds(chance, height, width, unit * 0.25, 4), dy, dx))
    light = smooth(0.16, 1.12, gas * np.float32(0.62) + band * np.float32(0.48)) * (
        1 - dust * np.float32(0.55)
    )
    canvas.fill(ramp(tones, np.clip(enlarge(light, canvas.height, canvas.width), 0, 1)))


def planet(canvas: Canvas, look: Look, x: float, y: float, radius: float) -> None:
    """A banded ball in sunlight, with a ring around it more often than not; pixels."""
    chance = look.chance("planet")
    brush = Brush(canvas, x, y, radius, float(chance.uniform(-0.5, -0.2)))
    tint = look.plan.subject_colour or look.palette.accents[int(chance.integers(len(look.palette.accents)))]
    canvas.spot(x, y, radius * 1.7, mix(tint, (1.0, 1.0, 1.0), 0.4), 0.4)
    ring = chance.random() < 0.75 and radius > canvas.unit * 0.08
    tones = (
        shaded(tint, 0.5),
        mix(tint, look.palette.accents[1], 0.4),
        shaded(tint, 0.1),
        shaded(tint, -0.3),
    )
    if ring:
        _ring(brush, tones[0], back=True)
    rows, columns = canvas.window(x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    px, py = brush.units(rows, columns)
    far = np.hypot(px, py)
    alpha = np.clip((1 - far) * np.float32(radius) + np.float32(0.5), 0, 1)
    wobble = octave(chance, far.shape[0], far.shape[1], max(2.0, radius * 0.22), 3) - np.float32(0.5)
    bands = np.sin((py + wobble * np.float32(0.16)) * 8 + np.sin(py * 17) * np.float32(0.7)) * np.float32(
        0.5
    ) + np.float32(0.5)
    paint = ramp(tones, bands)
    depth = np.sqrt(np.clip(1 - far * far, 0, 1))
    wx = (canvas.x[:, columns] - np.float32(x)) * np.float32(1 / radius)
    wy = (canvas.y[rows] - np.float32(y)) * np.float32(1 / radius)
    day = np.clip(
        depth * np.float32(0.5) - wx * np.float32(0.6) - wy * np.float32(0.5) + np.float32(0.12), 0.04, 1
    )
    rim = (1 - depth) ** 3 * day
    canvas.blend(alpha, paint * day + rim * np.float32(0.5), rows, columns)
    if ring:
        _ring(brush, tones[0], back=False)


def _ring(brush: Brush, tone: Colour, back: bool) -> None:
    """The half of the ring behind the planet, or the half before it."""
    shape = ellipse(0, 0, 2.1, 0.52)
    rows, columns = brush.window(shape.box, 0)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    px, py = brush.units(rows, columns)
    far = np.hypot(px * np.float32(1 / 2.1), py * np.float32(1 / 0.52))
    bands = (
        smooth(0.6, 0.66, far)
        * (1 - smooth(0.96, 1.0, far))
        * (np.float32(0.62) + np.sin(far * 60) * np.float32(0.3))
    )
    half = (py < 0) if back else (py >= 0)
    brush.canvas.blend(bands * half.astype(np.float32) * np.float32(0.85), tone, rows, columns)


def far_planets(canvas: Canvas, look: Look) -> None:
    """One large and one small world, off the middle."""
    chance = look.chance("worlds")
    side = float(chance.choice([0.24, 0.76]))
    planet(
        canvas,
        look,
        canvas.width * side,
        canvas.height * chance.uniform(0.24, 0.4),
        canvas.unit * chance.uniform(0.13, 0.2),
    )
    moon = Brush(
        canvas, canvas.width * (1 - side), canvas.height * chance.uniform(0.6, 0.8), canvas.unit * 0.05
    )
    canvas.disc(moon.x, moon.y, moon.scale, (0.62, 0.63, 0.72))
    canvas.disc(
        moon.x + moon.scale * 0.22, moon.y + moon.scale * 0.2, moon.scale * 0.84, (0.2, 0.2, 0.3), 0.8
    )

"""Skies: the gradient, sun and moon, stars, clouds, aurora, and what falls from them."""

from __future__ import annotations

import math

import numpy as np

from engine.canvas import Canvas
from engine.colour import Colour, mix, ramp
from engine.look import Look
from engine.noise import Field, clouds, enlarge, octave, smooth


def gradient(canvas: Canvas, look: Look) -> None:
    """The air, from the zenith to the horizon, a little uneven as real air is."""
    foot = canvas.height * look.horizon
    t = np.clip(canvas.y * np.float32(1 / max(foot, 1)), 0, 1)
    drift = octave(look.chance("air"), canvas.height, canvas.width, canvas.unit * 0.9, 1.6) - np.float32(0.5)
    canvas.fill(ramp(look.palette.sky, t + drift * np.float32(0.12)))


def light(canvas: Canvas, look: Look) -> None:
    """The sun, or at night the moon, and its glow."""
    x, y = look.sun[0] * canvas.width, look.sun[1] * canvas.height
    night = look.plan.hour in ("night", "dusk")
    radius = canvas.unit * (0.055 if night else 0.065)
    wide = canvas.unit * (0.75 if night else 1.25)
    canvas.spot(x, y, wide, look.palette.sun, 0.3 if night else 0.5)
    canvas.spot(x, y, radius * 4, look.palette.sun, 0.45)
    chance = look.chance("moon")
    if night and chance.random() < 0.4:
        _crescent(canvas, x, y, radius, look.palette.sun)
        return
    canvas.disc(x, y, radius, look.palette.sun)
    for dx, dy, size in ((-0.35, -0.25, 0.3), (0.25, 0.2, 0.36), (0.1, -0.45, 0.18)) if night else ():
        canvas.disc(x + dx * radius, y + dy * radius, radius * size, look.palette.haze, 0.16)


def _crescent(canvas: Canvas, x: float, y: float, radius: float, tone: Colour) -> None:
    rows, columns = canvas.window(x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1)
    far = np.hypot(canvas.x[:, columns] - np.float32(x), canvas.y[rows] - np.float32(y))
    hole = np.hypot(
        canvas.x[:, columns] - np.float32(x + radius * 0.5), canvas.y[rows] - np.float32(y - radius * 0.25)
    )
    lit = np.minimum(np.float32(radius) - far, hole - np.float32(radius * 0.88)) + np.float32(0.5)
    canvas.blend(np.clip(lit, 0, 1), tone, rows, columns)


def stars(canvas: Canvas, look: Look, low: float | None = None) -> None:
    """Stars down to `low` (a fraction of the height), a few of them bright."""
    chance = look.chance("stars")
    foot = int(canvas.height * (look.horizon if low is None else low))
    number = int(canvas.width * foot / 900) + 20
    xs, ys = chance.integers(0, canvas.width, number), chance.integers(0, max(foot, 1), number)
    power = (chance.random(number) ** 4 * 0.8 + 0.12) * (1 - 0.75 * ys / max(foot, 1))
    layer = np.zeros((canvas.height, canvas.width), np.float32)
    layer[ys, xs] = power
    # Each star bleeds into its neighbours, so that it is a point of light and not a pixel.
    layer[:, 1:] += layer[:, :-1] * np.float32(0.35)
    layer[1:] += layer[:-1] * np.float32(0.35)
    canvas.glow(np.minimum(layer, 1), (0.95, 0.97, 1.0))
    for _ in range(max(4, number // 90)):
        x, y = chance.uniform(0, canvas.width), chance.uniform(0, foot * 0.8)
        size = canvas.unit * chance.uniform(0.006, 0.014)
        canvas.spot(x, y, size * 2.2, look.palette.sun, 0.55)
        canvas.spot(x, y, size * 0.7 + 1, (1.0, 1.0, 1.0), 0.95)


def milky_way(canvas: Canvas, look: Look) -> None:
    """A slanted band of star dust."""
    chance = look.chance("milky way")
    height, width = max(canvas.height // 2, 8), max(canvas.width // 2, 8)
    slant = chance.uniform(0.5, 1.1) * chance.choice([-1, 1])
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    dust = clouds(chance, height, width, canvas.unit * 0.14, 5)
    across = (x - y * np.float32(slant) - np.float32(chance.uniform(-0.3, 0.3))) + (
        dust - np.float32(0.5)
    ) * np.float32(0.5)
    band = np.exp(-(across**2) * np.float32(7)) * smooth(0.25, 0.95, dust) * (1 - smooth(0.4, 1.0, y))
    glow = enlarge(band, canvas.height, canvas.width)
    canvas.glow(np.clip(glow * np.float32(1.15), 0, 1), mix(look.palette.sky[-1], (0.93, 0.85, 0.95), 0.5))


def _cloud_field(canvas: Canvas, look: Look, height: int, width: int) -> Field:
    unit = canvas.unit / 2
    chance = look.chance("clouds")
    return clouds(chance, height, width, unit * 0.42, 5, 2.4)


def cloud(canvas: Canvas, look: Look) -> None:
    """Clouds that the light catches from its side; made at half size, for they are soft."""
    height, width = max(canvas.height // 2, 8), max(canvas.width // 2, 8)
    density = _cloud_field(canvas, look, height, width)
    many = 0.12 if "cloud" in look.plan.extras or look.plan.hour == "storm" else 0.0
    thick = smooth(0.52 - many, 0.86 - many, density)
    # Compare with the density a little towards the light: where it falls off, the edge shines.
    step_x = max(1, int(canvas.unit * 0.012)) * (1 if look.sun[0] > 0.5 else -1)
    step_y = max(1, int(canvas.unit * 0.02))
    down = np.clip(np.arange(height) - step_y, 0, height - 1)
    along = np.clip(np.arange(width) + step_x, 0, width - 1)
    toward = density[down[:, None], along[None, :]]
    lit = np.clip((density - toward) * np.float32(3.2) + np.float32(0.55), 0, 1)
    y = np.linspace(0, 1 / max(look.horizon, 0.05), height, dtype=np.float32)[:, None]
    thick = thick * (np.float32(0.9) - smooth(0.55, 1.02, y) * np.float32(0.75)) * smooth(-0.5, 0.25, y)
    bright = mix(look.palette.sun, look.palette.sky[-1], 0.35)
    shade = mix(look.palette.sky[min(1, len(look.palette.sky) - 1)], look.palette.haze, 0.45)
    paint = np.stack([enlarge(plane, canvas.height, canvas.width) for plane in ramp((shade, bright), lit)])
    canvas.blend(np.clip(enlarge(thick, canvas.height, canvas.width), 0, 1), paint)


def aurora(canvas: Canvas, look: Look) -> None:
    """Curtains of green and violet light."""
    chance = look.chance("aurora")
    height, width = max(canvas.height // 2, 8), max(canvas.width // 2, 8)
    y = np.linspace(0, 1 / max(look.horizon, 0.1), height, dtype=np.float32)[:, None]
    for colour, foot in (((0.25, 0.95, 0.62), 0.78), ((0.25, 0.75, 0.9), 0.62), ((0.68, 0.35, 0.9), 0.5)):
        x = np.linspace(0, 1, width, dtype=np.float32)
        phase, bend = chance.uniform(0, math.tau, 3), chance.uniform(0.8, 1.6)
        line = foot + 0.1 * np.sin(x * 5 * bend + phase[0]) + 0.05 * np.sin(x * 11 * bend + phase[1])
        rays = 0.55 + 0.45 * np.sin(x * 60 + 6 * np.sin(x * 7 + phase[2]) + phase[1])
        above = line.astype(np.float32)[None, :] - y
        curtain = np.where(above > 0, np.exp(-above * np.float32(4.2)), np.exp(above * np.float32(26)))
        field = enlarge(
            (curtain * rays.astype(np.float32)[None, :]).astype(np.float32), canvas.height, canvas.width
        )
        canvas.glow(np.clip(field * np.float32(0.62), 0, 1), colour)


def rainbow(canvas: Canvas, look: Look) -> None:
    """A wide, faint bow."""
    cx, cy = canvas.width * (1 - look.sun[0]), canvas.height * look.horizon * 1.05
    far = np.hypot(canvas.x - np.float32(cx), canvas.y - np.float32(cy)) * np.float32(
        1 / (canvas.unit * 0.62)
    )
    t = (far - np.float32(0.88)) * np.float32(1 / 0.12)
    hues = (
        (0.55, 0.35, 0.85),
        (0.3, 0.5, 0.95),
        (0.35, 0.8, 0.5),
        (0.98, 0.9, 0.4),
        (0.98, 0.6, 0.3),
        (0.9, 0.3, 0.3),
    )
    alpha = smooth(0, 0.25, t) * (1 - smooth(0.75, 1.0, t)) * np.float32(0.5)
    canvas.blend(alpha, ramp(hues, np.clip(t, 0, 1)))


def snowfall(canvas: Canvas, look: Look) -> None:
    """Soft flakes, larger and blurred when near."""
    chance = look.chance("snowfall")
    for _ in range(min(420, canvas.width * canvas.height // 1600 + 20)):
        near = chance.random() ** 3
        radius = max(1.3, canvas.unit * (0.003 + 0.011 * near))
        x, y = chance.uniform(0, canvas.width), chance.uniform(0, canvas.height)
        canvas.spot(x, y, radius * 1.8, (1.0, 1.0, 1.0), 0.95 - 0.45 * near)


def rainfall(canvas: Canvas, look: Look) -> None:
    """Slanted streaks."""
    chance = look.chance("rainfall")
    streaks = octave(chance, canvas.height, canvas.width, max(2.0, canvas.unit * 0.06), 0.045)
    slant = int(canvas.unit * 0.1)
    shift = (np.arange(canvas.height) * slant // max(canvas.height, 1)) % canvas.width
    columns = (np.arange(canvas.width)[None, :] + shift[:, None]) % canvas.width
    streaks = np.take_along_axis(streaks, columns, axis=1)
    canvas.glow(smooth(0.8, 1.0, streaks) * np.float32(0.3), (0.85, 0.9, 1.0))

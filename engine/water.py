"""Water: the sea that mirrors what is above it, and the world below its surface."""

from __future__ import annotations

import math

import numpy as np

from engine.brush import Brush
from engine.canvas import Canvas
from engine.colour import Colour, mix, ramp, shaded
from engine.land import silhouette
from engine.look import Look
from engine.noise import clouds, octave, ridge, smooth
from engine.shapes import curve, limb


def sea(canvas: Canvas, look: Look) -> None:
    """A mirror of the sky, broken by waves that grow towards us, with the light's path on it."""
    chance = look.chance("sea")
    top = int(canvas.height * look.horizon)
    deep = canvas.height - top
    if deep < 2:
        return
    rows = slice(top, canvas.height)
    far = (np.arange(deep, dtype=np.float32)[:, None] + 1) * np.float32(1 / deep)
    # Rows of one noise, read faster and faster near the horizon: perspective.
    tall = max(int(canvas.unit * 1.2), 16)
    waves = octave(chance, tall, canvas.width, max(2.0, tall * 0.01), 8)
    waves = waves + octave(chance, tall, canvas.width, max(2.0, tall * 0.024), 7)
    place = (1 / (far[:, 0] + 0.2)) * tall * 0.19
    row = place.astype(np.int32)
    between = (place - row).astype(np.float32)[:, None]
    swell = waves[row % tall] * (1 - between) + waves[(row + 1) % tall] * between - np.float32(1)
    shift = (swell * far * np.float32(canvas.unit * 0.035)).astype(np.int32)
    columns = np.clip(np.arange(canvas.width, dtype=np.int32)[None, :] + shift, 0, canvas.width - 1)
    mirror = np.clip(
        top - 1 - (far * deep * np.float32(0.9) + swell * far * canvas.unit * 0.035).astype(np.int32),
        0,
        max(top - 1, 0),
    )
    source = mirror * canvas.width + columns
    shade = mix(look.palette.land[1], look.palette.sky[0], 0.6)
    for plane, tone in zip(canvas.pixels, shade, strict=True):
        seen = np.take(plane, source)
        plane[rows] = seen + (np.float32(tone) - seen) * (np.float32(0.18) + far * np.float32(0.42))
    bright = smooth(0.25, 0.8, swell)
    canvas.blend(bright * far * np.float32(0.12), mix(look.palette.sky[-1], look.palette.sun, 0.4), rows)
    away = (canvas.x - np.float32(look.sun[0] * canvas.width)) / (
        canvas.unit * (np.float32(0.05) + far * np.float32(0.2))
    )
    path = np.exp(-away * away) * smooth(-0.15, 0.45, swell)
    canvas.glow(path * np.float32(0.85), look.palette.sun, rows)
    line = np.exp(-far * np.float32(30))
    canvas.blend(line * np.float32(0.5) * np.ones_like(swell), look.palette.haze, rows)


def shore(canvas: Canvas, look: Look) -> None:
    """Far hills on the horizon, before the sea is laid under them."""
    chance = look.chance("shore")
    horizon = canvas.height * look.horizon
    for i in range(2):
        tall = canvas.unit * (0.16 - 0.06 * i)
        line = ridge(chance, canvas.width, canvas.unit * (0.5 - 0.15 * i), 5)
        x = np.linspace(-1, 1, canvas.width, dtype=np.float32)
        side = 1.0 if look.sun[0] < 0.5 else -1.0
        slope = smooth(-0.4, 1.0, x * np.float32(side * (1 if i == 0 else 1.15)))
        height = horizon + 1 - line * np.float32(tall) * slope * np.float32(1.4)
        tone = mix(mix(look.palette.land[0], look.palette.land[1], 0.15 + 0.3 * i), look.palette.haze, 0.25)
        silhouette(canvas, height.astype(np.float32), tone, mix(tone, look.palette.haze, 0.5), tall)


def underwater(canvas: Canvas, look: Look) -> None:
    """Light from above, weeds and stones below."""
    chance = look.chance("underwater")
    tones: list[Colour] = [(0.62, 0.9, 0.88), (0.16, 0.62, 0.72), (0.05, 0.32, 0.5), (0.02, 0.13, 0.28)]
    if look.plan.tint:
        tones = [mix(tone, look.plan.tint, 0.4) for tone in tones]
    drift = clouds(chance, canvas.height, canvas.width, canvas.unit * 0.5, 2) - np.float32(0.5)
    canvas.fill(ramp(tones, canvas.y * np.float32(1 / canvas.height) + drift * np.float32(0.14)))
    x0, y0 = look.sun[0] * canvas.width, -canvas.unit * 0.35
    angle = np.arctan2(canvas.x - np.float32(x0), canvas.y - np.float32(y0))
    beams = sum(
        (
            np.sin(angle * np.float32(chance.integers(9, 40)) + np.float32(chance.uniform(0, 6.28)))
            for _ in range(4)
        ),
        np.zeros_like(angle),
    )
    fade = np.exp(-canvas.y * np.float32(1.9 / canvas.height))
    canvas.glow(smooth(-0.2, 3.2, beams) * fade * np.float32(0.55), (0.85, 1.0, 0.95))
    _seabed(canvas, look)
    for _ in range(26):
        x, y = chance.uniform(0, canvas.width), chance.uniform(0, canvas.height * 0.9)
        radius = max(1.5, canvas.unit * chance.uniform(0.003, 0.012))
        canvas.disc(x, y, radius, (0.85, 0.98, 1.0), 0.22)
        canvas.disc(x - radius * 0.3, y - radius * 0.3, radius * 0.35, (1.0, 1.0, 1.0), 0.6)


def _seabed(canvas: Canvas, look: Look) -> None:
    chance = look.chance("seabed")
    tones = ((0.08, 0.4, 0.52), (0.05, 0.27, 0.4), (0.03, 0.16, 0.27))
    corals = ((0.95, 0.45, 0.45), (0.96, 0.66, 0.4), (0.75, 0.42, 0.72), (0.3, 0.7, 0.55))
    for i, tone in enumerate(tones):
        base = canvas.height * (0.86 + 0.09 * i)
        line = base - ridge(chance, canvas.width, canvas.unit * 0.4, 3, sharp=False) * np.float32(
            canvas.unit * 0.16
        )
        for _ in range(int(6 * min(5.0, canvas.width / canvas.unit))):
            x = chance.uniform(0, canvas.width)
            y = float(line[min(int(x), line.size - 1)]) + canvas.unit * 0.03
            brush = Brush(canvas, x, y, canvas.unit * chance.uniform(0.07, 0.16))
            colour = mix(corals[int(chance.integers(4))], tone, 0.62 - 0.24 * i)
            if chance.random() < 0.5:
                for k in range(5):
                    a = -math.pi / 2 + (k - 2) * 0.36 + chance.uniform(-0.1, 0.1)
                    brush.form(limb(0, 0, math.cos(a), math.sin(a) * 1.1, 0.13, 0.08), colour, 0.8)
            else:
                for k in range(4):
                    sway = chance.uniform(-0.5, 0.5)
                    brush.form(
                        curve(
                            (k * 0.16 - 0.3, 0),
                            (k * 0.2 - 0.3 - sway, -0.9),
                            (k * 0.22 - 0.3 + sway, -1.9),
                            0.07,
                            0.02,
                        ),
                        mix((0.2, 0.6, 0.4), tone, 0.5 - 0.2 * i),
                        0.6,
                    )
        silhouette(canvas, line, shaded(tone, 0.12), shaded(tone, -0.3), canvas.unit * 0.2)

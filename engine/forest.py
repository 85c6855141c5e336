"""A forest in the mist: rows of firs, from a far hatching to single trees, and light between them."""

from __future__ import annotations

import numpy as np

from engine.canvas import Canvas
from engine.colour import Colour, mix, ramp, shaded
from engine.land import silhouette
from engine.look import Look
from engine.noise import Chance, Field, ridge, smooth


def _conifers(chance: Chance, base: Field, tall: float, spacing: float) -> Field:
    """A line of far firs standing on `base`."""
    width = base.size
    line = base.copy()
    x = -spacing
    while x < width + spacing:
        height = tall * chance.uniform(0.45, 1.0)
        half = height * chance.uniform(0.16, 0.22)
        left, right = max(0, int(x - half)), min(width, int(x + half) + 1)
        if right > left:
            far = np.abs(np.arange(left, right) - x) / half
            top = base[min(max(int(x), 0), width - 1)] - height * np.clip(1 - far, 0, 1) ** 1.2
            line[left:right] = np.minimum(line[left:right], top.astype(np.float32))
        x += spacing * chance.uniform(0.35, 1.3)
    return line


def _fir(
    canvas: Canvas, x: float, foot: float, tall: float, tone: Colour, haze: Colour, veil: float, cold: bool
) -> None:
    """One fir in tiers of hanging boughs, lit from the left; its foot dissolves in the mist."""
    half = tall * 0.24
    rows, columns = canvas.window(x - half, foot - tall, x + half, foot)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    down = np.clip((canvas.y[rows] - np.float32(foot - tall)) * np.float32(1 / tall), 0, 1)
    tiers = down ** np.float32(0.9) * np.float32(8)
    bough = tiers - np.floor(tiers)
    reach = np.float32(half) * (
        down * np.float32(0.62) + np.float32(0.02) + bough * down**0.7 * np.float32(0.36)
    )
    across = canvas.x[:, columns] - np.float32(x)
    # The boughs hang: further out, the same tier lies lower.
    alpha = np.clip(reach - np.abs(across) + np.float32(0.5), 0, 1)
    side = np.clip(across * np.float32(0.5 / half) + np.float32(0.5), 0, 1)
    shade = np.clip(side * np.float32(0.55) + (1 - bough) * np.float32(0.35), 0, 1)
    bright = mix((0.95, 0.97, 1.0), haze, 0.25) if cold else shaded(tone, 0.22)
    paint = ramp(
        (bright, tone, shaded(tone, -0.2)),
        shade if not cold else np.clip(shade + bough * np.float32(0.7), 0, 1),
    )
    fog = smooth(0.35, 1.05, down) * np.float32(veil)
    paint = np.stack([plane + (np.float32(h) - plane) * fog for plane, h in zip(paint, haze, strict=True)])
    canvas.blend(alpha, paint, rows, columns)


def forest(canvas: Canvas, look: Look) -> None:
    """Firs in the mist, row behind row; the nearest stand single and frame the view."""
    chance = look.chance("forest")
    horizon, unit = canvas.height * look.horizon, canvas.unit
    cold = look.plan.hour == "winter" or "snow" in look.plan.extras
    for i in range(6):
        near = i / 5
        base = horizon + (canvas.height - horizon) * (0.02 + 0.98 * near**1.15)
        hill = base - ridge(chance, canvas.width, unit * 0.9, 3, sharp=False) * np.float32(unit * 0.1)
        tall = unit * (0.07 + 0.42 * near**1.4)
        tone = mix(mix(look.palette.land[0], look.palette.leaf, 0.5), look.palette.land[1], near)
        crest = mix(tone, look.palette.haze, 0.6 * (1 - near) ** 0.8)
        foot = mix(crest, look.palette.haze, 0.62 * (1 - near))
        line = _conifers(chance, hill, tall, tall * 0.28) if i < 2 else hill
        silhouette(canvas, line, foot if i >= 2 else crest, foot, tall * 1.7)
        x = -tall * 0.3
        while i >= 2 and x < canvas.width + tall * 0.3:
            # The middle stays open, so that the eye finds a way in.
            inward = 1 - abs(x / canvas.width - 0.5) * 2
            height = tall * chance.uniform(0.55, 1.0) * (1 - 0.45 * near * max(inward, 0.0))
            y = float(hill[min(max(int(x), 0), canvas.width - 1)]) + height * 0.06
            _fir(
                canvas,
                x,
                y,
                height,
                mix(crest, tone, round(chance.random(), 1)),
                foot,
                0.75 * (1 - near) + 0.1,
                cold,
            )
            x += tall * chance.uniform(0.1, 0.3) * (1 + near * max(inward, 0.0))
    _rays(canvas, look)


def _rays(canvas: Canvas, look: Look) -> None:
    """Light that falls through the trees."""
    chance = look.chance("rays")
    x0, y0 = look.sun[0] * canvas.width, look.sun[1] * canvas.height
    angle = np.arctan2(canvas.y - np.float32(y0), canvas.x - np.float32(x0))
    beams = np.zeros_like(angle)
    for _ in range(4):
        beams += np.sin(angle * np.float32(chance.integers(7, 31)) + np.float32(chance.uniform(0, 6.28)))
    far = np.hypot(canvas.y - np.float32(y0), canvas.x - np.float32(x0)) * np.float32(1 / (1.2 * canvas.unit))
    fade = np.clip(1 - far, 0, 1)
    lower = smooth(0.0, 0.25, (canvas.y - np.float32(y0)) * np.float32(1 / canvas.unit))
    canvas.glow(smooth(0.2, 3.0, beams) * fade * fade * lower * np.float32(0.34), look.palette.sun)

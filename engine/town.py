"""A city: rows of buildings in the haze, their windows lit when it is dark, over water or a street."""

from __future__ import annotations

import numpy as np

from engine.canvas import Canvas
from engine.colour import Colour, mix, ramp, shaded
from engine.look import Look
from engine.noise import Chance


def city(canvas: Canvas, look: Look) -> None:
    """Four rows of buildings, the nearest tallest and darkest; the horizon is their foot."""
    chance = look.chance("city")
    foot = int(canvas.height * look.horizon)
    rows = 4
    for i in range(rows):
        near = i / (rows - 1)
        tone = mix(look.palette.land[0], look.palette.land[1], near**0.9 * 0.92)
        tone = mix(tone, look.palette.haze, 0.42 * (1 - near))
        wide = canvas.unit * (0.05 + 0.075 * near)
        x = -chance.uniform(0, wide)
        while x < canvas.width:
            width = wide * chance.uniform(0.7, 1.5)
            middle = 1 - abs((x + width / 2) / canvas.width - 0.5) * 1.1
            tall = min(canvas.unit * 1.1, foot * 0.8) * (
                0.3 + 0.36 * chance.random() * middle + 0.14 * (1 - near)
            )
            if chance.random() < 0.14:
                tall *= 1.35
            _building(canvas, look, chance, (int(x), foot - int(tall), int(x + width), foot), tone, near)
            x += width * chance.uniform(0.85, 1.25 + 0.5 * near)
        canvas.blend(
            np.exp(-np.abs(canvas.y[:foot] - foot) * np.float32(7 / canvas.unit))
            * np.float32(0.5 * (1 - near * 0.6)),
            look.palette.haze,
            slice(0, foot),
        )


def _building(
    canvas: Canvas, look: Look, chance: Chance, box: tuple[int, int, int, int], tone: Colour, near: float
) -> None:
    left, top, right, foot = box
    width = right - left
    kind = chance.random()
    tone = mix(tone, shaded(tone, 0.25), round(float(chance.random()), 1) * 0.4)
    if kind < 0.3:  # a stepped crown
        inset = max(1, width // 5)
        _slab(canvas, left + inset, top - width // 3, right - inset, top + 2, tone, foot)
    if 0.2 < kind < 0.5:  # a mast
        middle, mast = (left + right) // 2, int(width * 0.9)
        thick = max(1, int(canvas.unit * 0.004))
        _slab(canvas, middle, top - mast, middle + thick, top + 2, tone, foot)
        if look.palette.dark:
            canvas.spot(middle + thick / 2, top - mast, canvas.unit * 0.016, (1.0, 0.3, 0.25), 0.9)
    _slab(canvas, left, top, right, foot, tone, foot)
    _slab(canvas, right - max(1, width // 4), top, right, foot, shaded(tone, -0.16), foot)
    _windows(canvas, look, chance, box, tone, near)


def _slab(canvas: Canvas, left: int, top: int, right: int, bottom: int, tone: Colour, foot: int) -> None:
    rows, columns = canvas.window(left, top, right - 1, bottom - 1)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    t = np.clip((canvas.y[rows] - top) * np.float32(1 / max(foot - top, 1)), 0, 1)
    paint = ramp((shaded(tone, 0.12), tone, shaded(tone, -0.1)), t)
    for plane, shade in zip(canvas.pixels, paint, strict=True):
        plane[rows, columns] = shade


def _windows(
    canvas: Canvas, look: Look, chance: Chance, box: tuple[int, int, int, int], tone: Colour, near: float
) -> None:
    left, top, right, foot = box
    cell = max(3, int(canvas.unit * (0.011 + 0.009 * near)))
    pad = max(1, cell // 3)
    rows, columns = canvas.window(left + pad, top + cell, right - pad - 1, foot - 1)
    if rows.stop - rows.start < cell or columns.stop - columns.start < cell:
        return
    down = np.arange(rows.start, rows.stop) - top - cell
    along = np.arange(columns.start, columns.stop) - left - pad
    dark = look.palette.dark or look.plan.hour == "sunset"
    grid = chance.random((down.max() // cell + 1, along.max() // cell + 1))
    lit = (grid < (0.42 if dark else 0.5)).astype(np.float32)
    # Some floors work late: whole rows of light read as architecture, single dots as noise.
    late = chance.random(grid.shape[0]) < 0.12
    lit[late] = 1.0
    lit *= (0.45 + 0.55 * chance.random(grid.shape)).astype(np.float32)
    pane = ((down % cell < cell * 0.62)[:, None] & (along % cell < cell * 0.6)[None, :]).astype(np.float32)
    alpha = lit[down // cell][:, along // cell] * pane
    if dark:
        warm = chance.random()
        paint = (1.0, 0.84, 0.5) if warm < 0.72 else look.palette.accents[int(chance.integers(3))]
        canvas.blend(alpha * np.float32(0.4 + 0.55 * near), paint, rows, columns)
    else:
        canvas.blend(
            alpha * np.float32(0.28 + 0.2 * near), mix(look.palette.sky[-2], tone, 0.25), rows, columns
        )

"""Smooth random fields and lines: what clouds, ridges and marble are made of.

Fields are made from small random grids that Pillow enlarges: fast, and without the interpreter's lock.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]
Chance = np.random.Generator


def enlarge(field: Field, height: int, width: int) -> Field:
    """Resize a field to (height, width), bicubic."""
    picture = Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.float32)


def octave(chance: Chance, height: int, width: int, cell: float, stretch: float = 1.0) -> Field:
    """One octave in 0..1: random values every `cell` pixels (`cell * stretch` in x), smooth between."""
    rows, columns = height / cell, width / (cell * stretch)
    grid = chance.random((math.ceil(rows) + 3, math.ceil(columns) + 3), dtype=np.float32)
    window = (1.0, 1.0, 1.0 + columns, 1.0 + rows)
    picture = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box=window)
    return np.asarray(picture, dtype=np.float32)


def clouds(
    chance: Chance, height: int, width: int, cell: float, octaves: int = 4, stretch: float = 1.0
) -> Field:
    """Fractal noise of shape (height, width), mean 0.5, mostly within 0..1."""
    total = np.zeros((height, width), np.float32)
    weight, summed = 1.0, 0.0
    for _ in range(octaves):
        total += octave(chance, height, width, cell, stretch) * np.float32(weight)
        summed += weight
        weight *= 0.5
        cell *= 0.5
        if cell < 2:
            break
    total *= np.float32(1 / summed)
    # A sum of octaves huddles around its mean: spread it out again.
    return (total - np.float32(0.5)) * np.float32(1.5) + np.float32(0.5)


def bent(field: Field, dx: Field, dy: Field) -> Field:
    """The field looked up at (x + dx, y + dy) pixels, bilinear, held at its borders."""
    height, width = field.shape
    x = np.clip(np.arange(width, dtype=np.float32)[None, :] + dx, 0, width - 1.001)
    y = np.clip(np.arange(height, dtype=np.float32)[:, None] + dy, 0, height - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    x, y = x - left, y - top
    place = top * width + left
    upper = np.take(field, place) * (1 - x) + np.take(field, place + 1) * x
    place += width
    lower = np.take(field, place) * (1 - x) + np.take(field, place + 1) * x
    found: Field = upper + (lower - upper) * y
    return found


def ridge(chance: Chance, width: int, cell: float, octaves: int = 5, sharp: bool = True) -> Field:
    """A line of `width` heights in about 0..1: peaks and straight flanks when sharp, else soft hills."""
    x = np.arange(width, dtype=np.float64)
    total = np.zeros(width)
    weight, summed = 1.0, 0.0
    for _ in range(octaves):
        knots = math.ceil(width / cell) + 3
        places = (np.arange(knots) - 1 + chance.uniform(-0.3, 0.3, knots)) * cell
        values = chance.random(knots)
        if sharp:
            values[::2] *= 0.3
            values[1::2] = 0.55 + 0.45 * values[1::2]
            total += weight * np.interp(x, places, values)
        else:
            total += weight * wave(x, places, values)
        summed += weight
        weight *= 0.4
        cell *= 0.46
        if cell < 3:
            break
    return (total / summed).astype(np.float32)


def wave(
    x: NDArray[np.float64], places: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values at rising places, joined by smooth slopes."""
    left = np.clip(np.searchsorted(places, x, side="right") - 1, 0, len(places) - 2)
    t = np.clip((x - places[left]) / (places[left + 1] - places[left]), 0, 1)
    t = t * t * (3 - 2 * t)
    joined: NDArray[np.float64] = values[left] + (values[left + 1] - values[left]) * t
    return joined


def smooth(low: float, high: float, field: Field) -> Field:
    """0 below `low`, 1 above `high`, an S-curve between."""
    t = np.clip((field - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    curve: Field = t * t * (np.float32(3) - np.float32(2) * t)
    return curve

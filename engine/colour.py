"""Colours: sRGB triples in 0..1, mixed in OKLab so that nothing turns grey or muddy on the way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.noise import Field

Colour = tuple[float, float, float]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LMS, _FROM_LAB = np.linalg.inv(_TO_LMS), np.linalg.inv(_TO_LAB)
_RAMP = 1024


def colour(text: str) -> Colour:
    """'#rrggbb' as a colour."""
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def to_lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB (..., 3) to OKLab."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T
    return lab


def from_lab(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """OKLab (..., 3) to sRGB, clipped to what a screen shows."""
    linear = np.clip((lab @ _FROM_LAB.T) ** 3 @ _FROM_LMS.T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _triple(rgb: NDArray[np.float64]) -> Colour:
    return float(rgb[0]), float(rgb[1]), float(rgb[2])


@lru_cache(maxsize=4096)
def mix(a: Colour, b: Colour, t: float) -> Colour:
    """From a (t = 0) to b (t = 1)."""
    first, second = to_lab(np.array(a)), to_lab(np.array(b))
    return _triple(from_lab(first + (second - first) * t))


@lru_cache(maxsize=4096)
def shaded(a: Colour, amount: float) -> Colour:
    """Lighter and warmer (amount > 0) or darker and cooler (amount < 0), as light does it."""
    lab = to_lab(np.array(a))
    if amount >= 0:
        lab = lab + np.array([(1.0 - lab[0]) * amount, 0.004 * amount, 0.03 * amount])
    else:
        lab = lab * np.array([1 + amount, 1 + amount * 0.4, 1 + amount * 0.4])
        lab = lab + np.array([0, -0.02 * amount, 0.05 * amount])
    return _triple(from_lab(lab))


@lru_cache(maxsize=4096)
def tinted(a: Colour, tint: Colour, amount: float) -> Colour:
    """The same lightness (nearly), with the tint's hue."""
    lab, target = to_lab(np.array(a)), to_lab(np.array(tint))
    strength = float(np.hypot(lab[1], lab[2]) + np.hypot(target[1], target[2])) / 2
    length = float(np.hypot(target[1], target[2])) or 1.0
    hue = target[1:] / length * min(strength, length)
    lab[1:] += (hue - lab[1:]) * amount
    lab[0] += (target[0] - lab[0]) * amount * 0.25
    return _triple(from_lab(lab))


@lru_cache(maxsize=64)
def _table(colours: tuple[Colour, ...]) -> Field:
    lab = to_lab(np.array(colours))
    places = np.linspace(0, 1, len(colours))
    t = np.linspace(0, 1, _RAMP)
    mixed = np.stack([np.interp(t, places, lab[:, i]) for i in range(3)], axis=-1)
    return np.ascontiguousarray(from_lab(mixed).T.astype(np.float32))


def ramp(colours: Sequence[Colour], t: Field) -> Field:
    """Colours along t (0..1): shape (3, *t.shape)."""
    table = _table(tuple(colours))
    place = np.clip(t * np.float32(_RAMP - 1), 0, _RAMP - 1).astype(np.int32)
    return np.stack([np.take(table[i], place) for i in range(3)])

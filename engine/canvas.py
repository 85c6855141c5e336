"""A canvas: three planes of float32 (so that operations run over whole rows), and how paint meets it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.noise import Field

Paint = Sequence[float] | Field
"""A colour, or one colour for every pixel: shape (3, rows, columns) or what broadcasts to it."""

ALL = slice(None)


class Canvas:
    """Pixels of shape (3, height, width) in 0..1; `x` and `y` are pixel centres; `unit` the shorter side."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.pixels = np.zeros((3, height, width), np.float32)
        self.x: Field = (np.arange(width, dtype=np.float32) + np.float32(0.5))[None, :]
        self.y: Field = (np.arange(height, dtype=np.float32) + np.float32(0.5))[:, None]
        self.unit = float(min(width, height))

    def fill(self, paint: Paint) -> None:
        """Cover everything."""
        for plane, tone in zip(self.pixels, paint, strict=True):
            plane[...] = tone

    def blend(self, alpha: Field, paint: Paint, rows: slice = ALL, columns: slice = ALL) -> None:
        """Lay paint over the pixels, as opaque as alpha says."""
        for plane, tone in zip(self.pixels, paint, strict=True):
            part = plane[rows, columns]
            part += alpha * (np.float32(tone) - part)

    def glow(self, alpha: Field, paint: Paint, rows: slice = ALL, columns: slice = ALL) -> None:
        """Add light (screen): brightens, and never beyond white."""
        for plane, tone in zip(self.pixels, paint, strict=True):
            part = plane[rows, columns]
            part += alpha * np.float32(tone) * (np.float32(1) - part)

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """Rows and columns of a box in pixels, cut to the canvas (maybe empty)."""
        rows = slice(max(0, int(top)), max(0, min(self.height, int(bottom) + 1)))
        columns = slice(max(0, int(left)), max(0, min(self.width, int(right) + 1)))
        return rows, columns

    def spot(self, x: float, y: float, radius: float, paint: Paint, strength: float = 1.0) -> None:
        """A round glow that fades out at `radius` pixels."""
        rows, columns = self.window(x - radius, y - radius, x + radius, y + radius)
        far = (self.x[:, columns] - np.float32(x)) ** 2 + (self.y[rows] - np.float32(y)) ** 2
        near = np.maximum(np.float32(1) - far * np.float32(1 / (radius * radius)), 0)
        self.glow(near * near * near * np.float32(strength), paint, rows, columns)

    def disc(self, x: float, y: float, radius: float, paint: Paint, opacity: float = 1.0) -> None:
        """A round, smooth-edged disc."""
        rows, columns = self.window(x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1)
        far = np.hypot(self.x[:, columns] - np.float32(x), self.y[rows] - np.float32(y))
        alpha = np.clip(np.float32(radius + 0.5) - far, 0, 1) * np.float32(opacity)
        self.blend(alpha, paint, rows, columns)

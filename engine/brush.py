"""A brush: paints shapes in units of their own at some place on a canvas, with soft light from above left."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.canvas import Canvas
from engine.colour import Colour, shaded
from engine.noise import Field
from engine.shapes import Box, Shape


@dataclass(frozen=True, slots=True)
class Brush:
    """Units: (x, y) on the canvas is the origin, `scale` pixels are one unit, turned by `turn` radians."""

    canvas: Canvas
    x: float
    y: float
    scale: float
    turn: float = 0.0

    def moved(self, x: float, y: float, scale: float = 1.0, turn: float = 0.0) -> Brush:
        """The same brush at (x, y) of its units, with units `scale` as long and turned further."""
        c, s = math.cos(self.turn) * self.scale, math.sin(self.turn) * self.scale
        return replace(
            self,
            x=self.x + x * c - y * s,
            y=self.y + x * s + y * c,
            scale=self.scale * scale,
            turn=self.turn + turn,
        )

    def window(self, box: Box, margin: float) -> tuple[slice, slice]:
        """Rows and columns of the canvas that hold a box of units and a margin around it."""
        c, s = math.cos(self.turn) * self.scale, math.sin(self.turn) * self.scale
        corners = [
            (x, y) for x in (box[0] - margin, box[2] + margin) for y in (box[1] - margin, box[3] + margin)
        ]
        xs = [self.x + x * c - y * s for x, y in corners]
        ys = [self.y + x * s + y * c for x, y in corners]
        return self.canvas.window(min(xs) - 1, min(ys) - 1, max(xs) + 1, max(ys) + 1)

    def units(self, rows: slice, columns: slice) -> tuple[Field, Field]:
        """Those pixels' places in units."""
        dx = (self.canvas.x[:, columns] - np.float32(self.x)) * np.float32(1 / self.scale)
        dy = (self.canvas.y[rows] - np.float32(self.y)) * np.float32(1 / self.scale)
        if not self.turn:
            return dx, dy
        c, s = np.float32(math.cos(self.turn)), np.float32(math.sin(self.turn))
        return dx * c + dy * s, dy * c - dx * s

    def flat(self, shape: Shape, colour: Colour, opacity: float = 1.0) -> None:
        """One colour, no light."""
        rows, columns = self.window(shape.box, 0)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        distance = shape.distance(*self.units(rows, columns))
        alpha = np.clip(np.float32(0.5) - distance * np.float32(self.scale), 0, 1) * np.float32(opacity)
        self.canvas.blend(alpha, colour, rows, columns)

    def blur(self, shape: Shape, colour: Colour, soft: float, opacity: float = 1.0) -> None:
        """One colour that fades out over `soft` units on both sides of the edge: shadows, blushes, mist."""
        rows, columns = self.window(shape.box, soft)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        t = np.clip(
            np.float32(0.5) - shape.distance(*self.units(rows, columns)) * np.float32(0.5 / soft), 0, 1
        )
        self.canvas.blend(t * t * (np.float32(3) - 2 * t) * np.float32(opacity), colour, rows, columns)

    def form(self, shape: Shape, colour: Colour, volume: float = 1.0, rim: float = 0.12) -> None:
        """A body with volume: lit from above left, darker below right and towards its edge (`rim` units)."""
        rows, columns = self.window(shape.box, 0)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        px, py = self.units(rows, columns)
        distance = shape.distance(px, py)
        alpha = np.clip(np.float32(0.5) - distance * np.float32(self.scale), 0, 1)
        left, top, right, bottom = shape.box
        across = (px - np.float32(left)) * np.float32(1 / max(right - left, 1e-6))
        down = (py - np.float32(top)) * np.float32(1 / max(bottom - top, 1e-6))
        lit = np.float32(0.62) - across * np.float32(0.35) - down * np.float32(0.8)
        edge = np.clip(np.float32(1) + distance * np.float32(1 / rim), 0, 1)
        lit = lit - edge * edge * np.clip(
            across * np.float32(0.3) + down * np.float32(0.7), 0, 1
        ) * np.float32(0.55)
        lit = np.clip(lit * np.float32(volume), -1, 1)
        bright, dark = shaded(colour, 0.38), shaded(colour, -0.42)
        paint = np.stack(
            [
                np.float32(c)
                + np.maximum(lit, 0) * np.float32(b - c)
                - np.minimum(lit, 0) * np.float32(d - c)
                for c, b, d in zip(colour, bright, dark, strict=True)
            ]
        )
        self.canvas.blend(alpha, paint, rows, columns)

    def shadow(self, shape: Shape, dx: float, dy: float, soft: float, opacity: float = 0.3) -> None:
        """What the shape darkens when it floats a little above what is there."""
        self.moved(dx, dy).blur(shape, (0.13, 0.07, 0.16), soft, opacity)

"""Shapes as signed distances: negative inside, in the shape's own units, y downwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.noise import Field

Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """A distance, and the box (left, top, right, bottom) outside which nothing of it is seen."""

    distance: Callable[[Field, Field], Field]
    box: Box


def circle(x: float, y: float, radius: float) -> Shape:
    """A disc."""

    def distance(px: Field, py: Field) -> Field:
        far: Field = np.hypot(px - np.float32(x), py - np.float32(y)) - np.float32(radius)
        return far

    return Shape(distance, (x - radius, y - radius, x + radius, y + radius))


def _turned(px: Field, py: Field, x: float, y: float, turn: float) -> tuple[Field, Field]:
    dx, dy = px - np.float32(x), py - np.float32(y)
    if not turn:
        return dx, dy
    c, s = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    return dx * c + dy * s, dy * c - dx * s


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Shape:
    """An ellipse, turned clockwise by radians (the distance is near enough for smooth edges)."""

    def distance(px: Field, py: Field) -> Field:
        dx, dy = _turned(px, py, x, y, turn)
        dx, dy = dx * np.float32(1 / rx), dy * np.float32(1 / ry)
        inner = np.hypot(dx, dy)
        steep = np.hypot(dx * np.float32(1 / rx), dy * np.float32(1 / ry)) + np.float32(1e-6)
        far: Field = inner * (inner - np.float32(1)) / steep
        return far

    c, s = math.cos(turn), math.sin(turn)
    w, h = math.hypot(rx * c, ry * s), math.hypot(rx * s, ry * c)
    return Shape(distance, (x - w, y - h, x + w, y + h))


def block(x: float, y: float, width: float, height: float, round_: float = 0.0) -> Shape:
    """A box around (x, y) with rounded corners."""

    def distance(px: Field, py: Field) -> Field:
        qx = np.abs(px - np.float32(x)) - np.float32(width / 2 - round_)
        qy = np.abs(py - np.float32(y)) - np.float32(height / 2 - round_)
        outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
        far: Field = outside + np.minimum(np.maximum(qx, qy), 0) - np.float32(round_)
        return far

    w, h = width / 2, height / 2
    return Shape(distance, (x - w, y - h, x + w, y + h))


def limb(x0: float, y0: float, x1: float, y1: float, r0: float, r1: float | None = None) -> Shape:
    """A thick line with round ends, its radius running from r0 to r1."""
    end = r0 if r1 is None else r1
    dx, dy = x1 - x0, y1 - y0
    length = dx * dx + dy * dy or 1e-9

    def distance(px: Field, py: Field) -> Field:
        ax, ay = px - np.float32(x0), py - np.float32(y0)
        t = np.clip((ax * np.float32(dx) + ay * np.float32(dy)) * np.float32(1 / length), 0, 1)
        radius = np.float32(r0) + t * np.float32(end - r0)
        far: Field = np.hypot(ax - t * np.float32(dx), ay - t * np.float32(dy)) - radius
        return far

    r = max(r0, end)
    return Shape(distance, (min(x0, x1) - r, min(y0, y1) - r, max(x0, x1) + r, max(y0, y1) + r))


def polygon(points: Sequence[Point], round_: float = 0.0) -> Shape:
    """A polygon, its outline moved outwards by `round_` (which rounds its corners)."""

    def distance(px: Field, py: Field) -> Field:
        best = np.full(np.broadcast_shapes(px.shape, py.shape), np.inf, np.float32)
        sign = np.ones(best.shape, np.float32)
        for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
            ex, ey = bx - ax, by - ay
            wx, wy = px - np.float32(ax), py - np.float32(ay)
            t = (wx * np.float32(ex) + wy * np.float32(ey)) * np.float32(1 / (ex * ex + ey * ey or 1e-9))
            t = np.clip(t, 0, 1)
            qx, qy = wx - t * np.float32(ex), wy - t * np.float32(ey)
            best = np.minimum(best, qx * qx + qy * qy)
            across = (py >= np.float32(ay)) != (py >= np.float32(by))
            left = np.float32(ex) * wy - np.float32(ey) * wx
            sign = np.where(across & ((left > 0) == (by > ay)), -sign, sign)
        return sign * np.sqrt(best) - np.float32(round_)

    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return Shape(distance, (min(xs) - round_, min(ys) - round_, max(xs) + round_, max(ys) + round_))


def curve(a: Point, b: Point, c: Point, r0: float, r1: float | None = None, parts: int = 7) -> Shape:
    """A bent thick line from a to c (b pulls it), its radius running from r0 to r1."""
    end = r0 if r1 is None else r1
    ts = [i / parts for i in range(parts + 1)]
    xs, ys = ([(1 - t) ** 2 * a[i] + 2 * t * (1 - t) * b[i] + t * t * c[i] for t in ts] for i in (0, 1))
    radii = [r0 + (end - r0) * t for t in ts]
    return union(*(limb(xs[i], ys[i], xs[i + 1], ys[i + 1], radii[i], radii[i + 1]) for i in range(parts)))


def leaf(x: float, y: float, length: float, width: float, turn: float) -> Shape:
    """A pointed leaf that grows from (x, y) in the direction of turn (radians, 0 = right, clockwise)."""
    radius = (length * length / 4 + width * width / 4) / width
    c, s = math.cos(turn), math.sin(turn)
    mx, my, off = x + c * length / 2, y + s * length / 2, radius - width / 2
    lens = both(circle(mx - s * off, my + c * off, radius), circle(mx + s * off, my - c * off, radius))
    w, h = (length * abs(c) + width * abs(s)) / 2, (length * abs(s) + width * abs(c)) / 2
    return Shape(lens.distance, (mx - w, my - h, mx + w, my + h))


def union(*shapes: Shape, soft: float = 0.0) -> Shape:
    """All of them; with `soft` they melt into each other over that length."""

    def distance(px: Field, py: Field) -> Field:
        total = shapes[0].distance(px, py)
        for shape in shapes[1:]:
            other = shape.distance(px, py)
            if soft:
                h = np.maximum(np.float32(soft) - np.abs(total - other), 0) * np.float32(1 / soft)
                total = np.minimum(total, other) - h * h * np.float32(soft / 4)
            else:
                total = np.minimum(total, other)
        return total

    left, top, right, bottom = zip(*(shape.box for shape in shapes), strict=True)
    return Shape(distance, (min(left) - soft, min(top) - soft, max(right) + soft, max(bottom) + soft))


def both(a: Shape, b: Shape) -> Shape:
    """Where both are."""
    (left, top, right, bottom), (west, north, east, south) = a.box, b.box
    box = max(left, west), max(top, north), min(right, east), min(bottom, south)
    return Shape(lambda px, py: np.maximum(a.distance(px, py), b.distance(px, py)), box)


def cut(a: Shape, b: Shape) -> Shape:
    """The first without the second."""
    return Shape(lambda px, py: np.maximum(a.distance(px, py), -b.distance(px, py)), a.box)

"""Land in layers, from far and hazy to near: mountains, dunes, and hills with what grows there."""

from __future__ import annotations

import math

import numpy as np

from engine.canvas import Canvas
from engine.colour import Colour, mix, ramp, shaded
from engine.look import Look
from engine.noise import Chance, Field, clouds, octave, ridge, smooth


def silhouette(
    canvas: Canvas, line: Field, crest: Colour, foot: Colour, depth: float
) -> tuple[slice, Field, Field]:
    """Everything below a line (pixels from above), from crest colour to foot colour over `depth` pixels.

    Returns rows, coverage, and how far below the line each pixel is, for what lies on that land.
    """
    rows = slice(max(0, int(line.min()) - 1), canvas.height)
    slope = np.gradient(line).astype(np.float32) if line.size > 1 else np.zeros_like(line)
    below = canvas.y[rows] - line[None, :]
    alpha = np.clip(below / np.sqrt(1 + slope * slope)[None, :] + np.float32(0.5), 0, 1)
    t = np.clip((canvas.y[rows] - np.float32(line.min())) * np.float32(1 / max(depth, 1)), 0, 1)
    canvas.blend(alpha, ramp((crest, foot), t), rows)
    return rows, alpha, below


def facets(line: Field, below: Field, chance: Chance, unit: float, light_left: bool) -> Field:
    """How much each pixel of a mountain faces the light (-1..1): its flanks run down aslant."""
    width = line.size
    reach = max(2, int(unit * 0.045))
    padded = np.pad(line, reach, mode="edge")
    side = np.clip((padded[2 * reach :] - padded[: -2 * reach]) * np.float32(0.8 / reach), -1, 1)
    wobble = octave(chance, below.shape[0], width, max(unit * 0.035, 2)) - np.float32(0.5)
    x = np.arange(width, dtype=np.float32)[None, :]
    lean = np.float32(0.3 if light_left else -0.3)
    place = x + below * lean + wobble * np.minimum(below, np.float32(unit * 0.15)) * np.float32(0.5)
    columns = np.clip(place, 0, width - 1).astype(np.int32)
    facing = np.take(side, columns)
    away: Field = -facing if light_left else facing
    return away


def mountains(canvas: Canvas, look: Look) -> None:
    """Ranges behind ranges; the second carries the light and, in the cold, snow."""
    chance = look.chance("mountains")
    horizon, unit = canvas.height * look.horizon, canvas.unit
    layers = 5
    cold = look.plan.hour == "winter" or "snow" in look.plan.extras
    for i in range(layers):
        near = i / (layers - 1)
        tall = unit * (0.34, 0.46, 0.3, 0.22, 0.16)[i]
        cell = unit * (0.34, 0.52, 0.36, 0.3, 0.5)[i]
        base = horizon + (canvas.height - horizon) * (-0.02, 0.06, 0.24, 0.5, 0.82)[i]
        line = base - ridge(chance, canvas.width, cell, 6 if i < 4 else 4) * np.float32(tall) * np.float32(
            1.15
        )
        tone = mix(look.palette.land[0], look.palette.land[1], near**0.85)
        crest = mix(tone, look.palette.haze, 0.45 * (1 - near))
        foot = mix(crest, look.palette.haze, 0.75 - 0.4 * near)
        rows, alpha, below = silhouette(canvas, line, crest, foot, tall * 1.5)
        if i in (1, 2):
            facing = facets(line, below, chance, unit, look.sun[0] > 0.5)
            fade = np.exp(-np.maximum(below, 0) * np.float32(1.6 / tall))
            lit = np.maximum(facing, 0) * fade * alpha
            canvas.blend(lit * np.float32(0.5), mix(look.palette.sun, crest, 0.35), rows)
            canvas.blend(np.maximum(-facing, 0) * fade * alpha * np.float32(0.4), shaded(tone, -0.4), rows)
            if cold or (i == 1 and look.plan.hour in (None, "day", "dawn", "spring")):
                _snow(canvas, look, chance, rows, alpha, below, facing, tall * (0.75 if cold else 0.28))


def _snow(
    canvas: Canvas,
    look: Look,
    chance: Chance,
    rows: slice,
    alpha: Field,
    below: Field,
    facing: Field,
    depth: float,
) -> None:
    rough = clouds(chance, below.shape[0], below.shape[1], max(canvas.unit * 0.03, 2), 3) - np.float32(0.5)
    cover = np.float32(1) - smooth(
        0.5, 0.7, below * np.float32(1 / depth) + rough * np.float32(0.6) + facing * np.float32(-0.12)
    )
    white, blue = (
        mix((0.98, 0.98, 1.0), look.palette.sun, 0.3),
        mix((0.72, 0.8, 0.92), look.palette.haze, 0.4),
    )
    canvas.blend(
        cover * alpha * np.float32(0.92),
        ramp((blue, white), facing * np.float32(0.8) + np.float32(0.5)),
        rows,
    )


def desert(canvas: Canvas, look: Look) -> None:
    """Dunes with a bright and a shaded flank, parted by a winding crest."""
    chance = look.chance("desert")
    horizon, unit = canvas.height * look.horizon, canvas.unit
    sand = mix((0.93, 0.67, 0.4), look.palette.haze, 0.22)
    if look.palette.dark:
        sand = mix(sand, look.palette.land[0], 0.5)
    away = 1.0 if look.sun[0] < 0.5 else -1.0
    for i in range(5):
        near = i / 4
        base = horizon + (canvas.height - horizon) * (0.06 + 0.8 * near**1.4)
        tall, wide = unit * (0.06 + 0.17 * near), unit * (0.34 + 0.6 * near)
        places = np.arange(-1.0, canvas.width / wide + 2) + chance.uniform(-0.3, 0.3)
        peaks = [
            (float(p + chance.uniform(-0.2, 0.2)) * wide, tall * chance.uniform(0.55, 1.0)) for p in places
        ]
        x = canvas.x[0]
        line = np.full_like(x, base)
        for px, height in peaks:
            side = (x - np.float32(px)) * np.float32(away / wide)
            far = np.where(side > 0, side * np.float32(1.25), side * np.float32(-0.85))
            line = np.minimum(
                line, np.float32(base) - np.float32(height) * np.clip(1 - far, 0, 1) ** np.float32(1.7)
            )
        crest = mix(sand, look.palette.haze, 0.6 * (1 - near))
        rows, alpha, below = silhouette(canvas, line, shaded(crest, 0.22), shaded(crest, -0.1), tall * 3)
        dark = mix(shaded(crest, -0.32), look.palette.land[0], 0.32)
        for px, height in peaks:
            _lee(canvas, rows, alpha, below, (px, base - height, height, wide * away), dark)
        ripples = np.sin(
            below * np.float32(95 / unit) + np.sin(canvas.x * np.float32(9 / unit)) * 3
        ) * np.float32(0.5) + np.float32(0.5)
        canvas.blend(ripples * alpha * np.float32(0.07 * near), shaded(crest, -0.5), rows)


def _lee(
    canvas: Canvas,
    rows: slice,
    alpha: Field,
    below: Field,
    peak: tuple[float, float, float, float],
    dark: Colour,
) -> None:
    """The shaded side of one dune: from its winding crest to where the sand levels out."""
    x, y, tall, wide = peak
    # Further along it covers nothing, and there may be many of them.
    _, columns = canvas.window(min(x, x + wide * 1.2) - 2, 0, max(x, x + wide * 1.2) + 2, 0)
    down = np.maximum((canvas.y[rows] - np.float32(y)) * np.float32(1 / tall), 0)
    winding = down * np.float32(0.1) + np.sin(down * np.float32(2.6)) * np.float32(0.07) * down
    side = (canvas.x[:, columns] - np.float32(x)) * np.float32(1 / wide) - winding
    edge = np.clip(side * np.float32(abs(wide) * 0.5) + np.float32(0.5), 0, 1)
    fade = (1 - smooth(0.7, 1.9, down)) * (1 - smooth(0.35, 0.85, side))
    canvas.blend(edge * fade * alpha[:, columns] * np.float32(0.85), dark, rows, columns)


def meadow(canvas: Canvas, look: Look) -> None:
    """Rolling hills, and flowers that grow towards us."""
    chance = look.chance("meadow")
    horizon, unit = canvas.height * look.horizon, canvas.unit
    winter = look.plan.hour == "winter"
    green = mix(look.palette.leaf, (0.45, 0.66, 0.3), 0.0 if look.palette.dark else 0.62)
    if winter:
        green = (0.84, 0.89, 0.96)
    elif look.plan.hour == "autumn":
        green = (0.72, 0.55, 0.27)
    for i in range(5):
        near = i / 4
        base = horizon + (canvas.height - horizon) * (near**1.3) * 0.8
        tall = unit * (0.12 + 0.1 * near)
        line = (
            base
            - ridge(chance, canvas.width, unit * (0.5 + 0.5 * near), 2, sharp=False) * np.float32(tall)
            + tall * 0.4
        )
        tone = mix(mix(look.palette.land[0], green, 0.72), shaded(green, -0.06 if winter else -0.22), near)
        rows, alpha, below = silhouette(
            canvas,
            line,
            shaded(mix(tone, look.palette.haze, 0.3 * (1 - near)), 0.18),
            shaded(tone, -0.12),
            tall * 3,
        )
        grass = octave(chance, below.shape[0], canvas.width, max(2.0, unit * 0.03 * (0.4 + near)), 0.25)
        canvas.blend(
            smooth(0.5, 1.0, grass) * alpha * np.float32(0.25 * near + 0.05), shaded(tone, 0.35), rows
        )
        if i in (1, 2):
            _bushes(canvas, look, chance, line, mix(tone, look.palette.leaf, 0.5), near)
    if not winter:
        _blossoms(canvas, look, chance)


def _bushes(canvas: Canvas, look: Look, chance: Chance, line: Field, tone: Colour, near: float) -> None:
    """Round trees on the far hills."""
    for _ in range(int(5 * canvas.width / canvas.unit)):
        x = chance.uniform(0, canvas.width)
        size = canvas.unit * chance.uniform(0.016, 0.034) * (1 + near)
        y = float(line[min(int(x), line.size - 1)])
        shade = shaded(mix(tone, look.palette.land[1], 0.3), 0.0)
        for dx, dy, r in ((-0.6, -0.3, 0.7), (0.6, -0.25, 0.65), (0.0, -0.8, 0.95)):
            canvas.disc(x + dx * size, y + dy * size, size * r, shade)
        canvas.disc(x - size * 0.25, y - size * 0.95, size * 0.55, shaded(shade, 0.25), 0.5)


def _blossoms(canvas: Canvas, look: Look, chance: Chance) -> None:
    top = canvas.height * (look.horizon + 0.45 * (1 - look.horizon))
    many = int(
        (230 if {"flowers", "blossoms"} & set(look.plan.words) else 110)
        * min(4.0, canvas.width / canvas.unit)
    )
    for depth in np.sort(chance.random(many)):
        x, y = chance.uniform(0, canvas.width), top + (canvas.height - top) * depth**1.1
        size = canvas.unit * (0.004 + 0.014 * depth * depth)
        accent = look.palette.accents[int(chance.integers(len(look.palette.accents)))]
        petal = mix(accent, (1.0, 1.0, 1.0), float(np.round(chance.choice([0.0, 0.25, 0.6]), 2)))
        turn = chance.uniform(0, math.tau)
        for k in range(5):
            a = turn + k * math.tau / 5
            canvas.disc(x + math.cos(a) * size * 0.7, y + math.sin(a) * size * 0.55, size * 0.55, petal)
        canvas.disc(x, y, size * 0.4, (0.98, 0.82, 0.4))

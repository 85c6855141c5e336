"""What all layers of one picture share: the plan, the palette, where the light is, and its chances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.canvas import Canvas
from engine.noise import Chance
from engine.palette import Palette
from engine.words import Plan, key_of


@dataclass(frozen=True, slots=True)
class Look:
    """`sun` and `horizon` as fractions of the canvas; each layer draws its chances under its own name."""

    plan: Plan
    palette: Palette
    sun: tuple[float, float]
    horizon: float

    def chance(self, name: str) -> Chance:
        """Random numbers that depend on the task and the name alone."""
        return np.random.default_rng([self.plan.key, key_of(name)])


Layer = Callable[[Canvas, Look], None]
"""One thing that is painted, over what is there."""

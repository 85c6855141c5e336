"""What to paint: one immutable value, and the names that the painter goes by."""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "demo painter, not a diffusion model"
VERSION = "sd-b64-api demo engine"


@dataclass(frozen=True, slots=True)
class Task:
    """One picture: the same task always gives the same picture."""

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    width: int = 512
    height: int = 512
    steps: int = 20
    cfg_scale: float = 7.0
    sampler: str = "Euler a"

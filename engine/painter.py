"""A painting: a task becomes a picture, by way of previews that clear up step by step.

The whole picture is painted once (`compose`); a preview is that picture under the blur and the noise that a
diffusion model would still have left at that point. Nothing here knows time, sockets or asyncio.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engine.canvas import Canvas
from engine.noise import Field
from engine.scene import layers
from engine.task import Task
from engine.words import key_of, read

MAX_PIXELS = 1024 * 1024
"""Larger pictures are painted with this many pixels and enlarged: memory and time stay bounded."""
LONGEST = 64
"""A longer strip is painted with one side this many times the other and stretched: trees and houses are as
high as it allows, so that their number, and the time that they take, would grow with its length."""
PREVIEW_SIDE = 384
# Rows at a time: between two strips, other threads get the interpreter.
_STRIP = 128
_LUMA = np.array([[0.299], [0.587], [0.114]], np.float32)

Stopped = Callable[[], bool]


class Stop(Exception):
    """Painting was told to stop in the middle; there is no picture."""


def never() -> bool:
    """For those who let it finish."""
    return False


class Painting:
    """One picture on its way. `compose` first; then `preview` and `finish` as often as wanted."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._rng_key = key_of(task.prompt, task.negative_prompt, task.seed, "grain")
        width, height = min(task.width, LONGEST * task.height), min(task.height, LONGEST * task.width)
        shrink = min(1.0, math.sqrt(MAX_PIXELS / (width * height)))
        self.working_size = max(16, round(width * shrink)), max(16, round(height * shrink))
        self._picture: Image.Image | None = None
        self._latent: Field | None = None

    def compose(self, stopped: Stopped = never) -> None:
        """Paint the picture, layer by layer; raises Stop between two layers once `stopped` says so."""
        canvas = Canvas(*self.working_size)
        look, todo = layers(read(self.task))
        for layer in todo:
            if stopped():
                raise Stop
            layer(canvas, look)
        self._grade(canvas, look.plan.extras)
        self._picture = Image.fromarray(_bytes(canvas.pixels))

    def preview(self, fraction: float) -> Image.Image:
        """What is to be seen after that much (0..1) of the work, at most PREVIEW_SIDE pixels long."""
        scale = min(1.0, PREVIEW_SIDE / max(self.task.width, self.task.height))
        size = max(1, round(self.task.width * scale)), max(1, round(self.task.height * scale))
        return self._at(fraction, size)

    def finish(self, fraction: float = 1.0, stopped: Stopped = never) -> Image.Image:
        """The picture at its full size; of an interrupted one what there is at that fraction."""
        size = self.task.width, self.task.height
        if fraction < 1:
            shown = self._at(fraction, self.working_size)
            self._latent = None  # each picture of a batch would keep its own
            return shown if shown.size == size else shown.resize(size, Image.Resampling.BICUBIC)
        return self._grained(self._clear(size), stopped)

    def _clear(self, size: tuple[int, int]) -> Image.Image:
        if self._picture is None:
            raise RuntimeError("compose() comes before a picture")
        if self._picture.size == size:
            return self._picture
        return self._picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)

    def _grade(self, canvas: Canvas, extras: frozenset[str]) -> None:
        """Vignette, contrast by CFG scale, and what the prompt says of the whole picture."""
        x = (canvas.x / canvas.width - np.float32(0.5)) ** 2
        y = (canvas.y / canvas.height - np.float32(0.5)) ** 2
        canvas.pixels *= np.float32(1.02) - (x + y) * np.float32(0.3)
        rich = np.float32(1 + max(-0.25, min(0.3, (self.task.cfg_scale - 7) * 0.025)))
        if extras & {"mono", "sepia"} or rich != 1:
            grey = (canvas.pixels * _LUMA[:, :, None]).sum(axis=0)
            if "mono" in extras:
                canvas.pixels[...] = np.clip(
                    (grey - np.float32(0.5)) * np.float32(1.12) + np.float32(0.5), 0, 1
                )
            elif "sepia" in extras:
                for plane, (shift, gain) in zip(
                    canvas.pixels, ((0.1, 0.9), (0.06, 0.82), (0.03, 0.66)), strict=True
                ):
                    plane[...] = grey * np.float32(gain) + np.float32(shift)
            else:
                canvas.pixels[...] = grey + (canvas.pixels - grey) * rich

    def _at(self, fraction: float, size: tuple[int, int]) -> Image.Image:
        """The picture under what is left of blur and noise; before compose, noise alone."""
        left = 1 - min(max(fraction, 0.0), 1.0)
        noise = self._noise(size)
        if self._picture is None:
            return Image.fromarray(_bytes(np.float32(0.5) + noise * np.float32(0.5)))
        small = self._clear(size)
        blur = left**1.8 * 0.065 * min(size)
        if blur > 0.3:
            small = _blurred(small, blur)
        planes = np.asarray(small, np.float32).transpose(2, 0, 1) * np.float32(1 / 255)
        # Early on, colours are pale and near grey, as in a latent that is mostly noise.
        shown = np.float32(1 - 0.55 * left**2.5)
        planes = (planes - np.float32(0.5)) * shown + np.float32(0.5)
        return Image.fromarray(_bytes(planes + noise * np.float32(0.55 * left**1.9)))

    def _noise(self, size: tuple[int, int]) -> Field:
        """Blotches of eight pixels with finer noise over them, like an undecoded latent; shape (3, h, w)."""
        if self._latent is None or self._latent.shape[1:] != size[::-1]:
            chance = np.random.default_rng(self._rng_key)
            planes = []
            for _ in range(3):
                coarse = chance.normal(0, 0.3, (size[1] // 8 + 1, size[0] // 8 + 1)).astype(np.float32)
                fine = chance.normal(0, 0.14, (size[1] // 2 + 1, size[0] // 2 + 1)).astype(np.float32)
                blotches = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
                specks = Image.fromarray(fine).resize(size, Image.Resampling.BILINEAR)
                planes.append(np.asarray(blotches, np.float32) + np.asarray(specks, np.float32))
            self._latent = np.stack(planes)
        return self._latent

    def _grained(self, picture: Image.Image, stopped: Stopped) -> Image.Image:
        """Fine grain, the same in all three colours: gradients on a screen show no bands. Strip by strip."""
        chance = np.random.default_rng(self._rng_key)
        grained = picture.copy()
        for top in range(0, picture.height, _STRIP):
            if stopped():
                raise Stop
            strip = np.asarray(picture.crop((0, top, picture.width, min(top + _STRIP, picture.height))))
            grain = chance.integers(-2, 3, strip.shape[:2], dtype=np.int16)[:, :, None]
            grained.paste(Image.fromarray(np.clip(strip + grain, 0, 255).astype(np.uint8)), (0, top))
        return grained


def _blurred(picture: Image.Image, radius: float) -> Image.Image:
    """A wide blur by way of a smaller picture: its cost does not grow with the radius."""
    shrink = max(1.0, radius / 2.5)
    if shrink == 1.0:
        return picture.filter(ImageFilter.GaussianBlur(radius))
    size = max(2, round(picture.width / shrink)), max(2, round(picture.height / shrink))
    small = picture.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(radius / shrink))
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def _bytes(planes: Field) -> NDArray[np.uint8]:
    """(3, h, w) in 0..1 to (h, w, 3) bytes."""
    scaled = np.clip(planes, 0, 1) * np.float32(255) + np.float32(0.5)
    return np.ascontiguousarray(scaled.astype(np.uint8).transpose(1, 2, 0))

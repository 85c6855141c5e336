"""The pictures that simulated servers answer: noise, which does not compress, in the JSON of A1111."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIDES = {"tiny": 16, "small": 387, "large": 816}
"""Pixels of a side, so that the PNG has about 1 KB, 450 KB and 2 MB. The word chooses it in a prompt."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One that a simulated server answers when its word is in the prompt."""

    word: str
    base64: bytes
    file: Path
    """The whole answer of txt2img."""

    @property
    def path(self) -> str:
        """What a client asks us for."""
        return f"/text?input=a%20{self.word}%20monkey"


def make_pictures(folder: Path) -> dict[str, Picture]:
    """Write the answers into this folder."""
    return {word: _make(word, side, folder / f"{word}.json") for word, side in SIDES.items()}


def _make(word: str, side: int, file: Path) -> Picture:
    noise = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    png = io.BytesIO()
    Image.fromarray(noise).save(png, "PNG", compress_level=1)
    text = base64.b64encode(png.getvalue()).decode()
    info = {"seed": 7, "all_seeds": [7], "width": side, "height": side, "sampler_name": "Euler", "steps": 20}
    answer = {"images": [text], "parameters": {"prompt": word}, "info": json.dumps(info)}
    file.write_text(json.dumps(answer, separators=(",", ":")), encoding="ascii")
    return Picture(word, text.encode(), file)

"""Infotext: what A1111 writes into its pictures, and a file below a message that has none. Pure.

A prompt may itself hold lines that look like those between the parts, as one that somebody pasted from a
picture does. So the last ones count.
"""

import re

from core import ImageRequest

_PARTS = re.compile(r"(.*)\n(Steps: \d.*)", re.DOTALL)


def infotext_of(request: ImageRequest) -> str:
    """Both prompts, as `prompts_in` reads them."""
    return f"{request.prompt}\nNegative prompt: {request.negative_prompt}\nSteps: {request.steps}"


def prompts_in(infotext: str) -> tuple[str, str]:
    """Prompt and negative prompt."""
    texts, _ = _parts(infotext)
    prompt, between, negative = texts.rpartition("\nNegative prompt: ")
    return (prompt, negative) if between else (texts, "")


def cfg_scale_in(infotext: str) -> float | None:
    """How closely the prompt was followed; None if that is not told."""
    _, parameters = _parts(infotext)
    found = re.search(r"\bCFG scale: (\d+(?:\.\d+)?)", parameters)
    return float(found[1]) if found else None


def _parts(infotext: str) -> tuple[str, str]:
    """The prompts, and the parameters."""
    found = _PARTS.fullmatch(infotext)
    return (found[1], found[2]) if found else (infotext, "")

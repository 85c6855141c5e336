"""A txt2img answer to Completed: the pictures, and whatever `info` tells of them. Pure.

`info` is JSON in a string; relatives answer an object or nothing. What it does not tell is what was asked.
"""

from typing import Any

import msgspec

from core.backends.a1111.pictures import recognise
from core.backends.a1111.spans import Unreadable, read
from core.events import Completed, Image
from core.request import ImageRequest

__all__ = ["Unreadable", "read_answer"]


def read_answer(body: bytes, request: ImageRequest, *, seed: int, backend: str, seconds: float) -> Completed:
    """What was painted for this request with this seed. Raises Unreadable."""
    texts, rest = read(body)
    if not texts:
        raise Unreadable("answered without a picture")
    info = read_info(rest.get("info"))
    return Completed(
        images=_images(texts, info, request.batch_size, seed),
        backend=backend,
        seconds=seconds,
        model=_text(info, "sd_model_name") or request.model,
        sampler_name=_text(info, "sampler_name") or request.sampler_name,
        width=_whole(info.get("width")) or request.width,
        height=_whole(info.get("height")) or request.height,
        steps=request.steps,
    )


def read_info(info: Any) -> dict[str, Any]:
    """The object in `info`, however it is written; empty where there is none."""
    if isinstance(info, str):
        try:
            info = msgspec.json.decode(info)
        except (msgspec.DecodeError, RecursionError):
            return {}
    return info if isinstance(info, dict) else {}


def _images(texts: list[memoryview], info: dict[str, Any], count: int, seed: int) -> tuple[Image, ...]:
    first = _first_image(info, len(texts), count)
    wanted = texts[first : first + count]
    infotexts = info.get("infotexts")
    infotexts = infotexts if isinstance(infotexts, list) else []
    # A1111 gives the grid a text of its own, and no seed
    before = first if len(infotexts) >= len(texts) else 0
    seeds = info.get("all_seeds")
    seeds = seeds if isinstance(seeds, list) else []
    told = _whole(info.get("seed"))
    images = []
    for index, text in enumerate(wanted):
        base64, kind = recognise(text)
        own = _whole(_at(seeds, index))
        guess = (seed if told is None else told) + index  # as A1111 counts within a batch
        infotext = _at(infotexts, before + index)
        images.append(
            Image(base64, kind, guess if own is None else own, infotext if isinstance(infotext, str) else "")
        )
    return tuple(images)


def _first_image(info: dict[str, Any], texts: int, count: int) -> int:
    """Where the pictures begin: behind the grid, which its owner's settings put before several."""
    if texts <= count:
        return 0
    told = _whole(info.get("index_of_first_image"))
    return told if told is not None and told < texts else 1


def _text(info: dict[str, Any], key: str) -> str | None:
    value = info.get(key)
    return value if isinstance(value, str) and value else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None

"""ImageRequest: a validated, immutable wish for pictures, under A1111's own parameter names."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isqrt
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from core.errors import InvalidRequest

SIZE_STEP = 8
"""Width and height are multiples of this: one latent pixel of Stable Diffusion."""
SMALLEST_SIDE = 64
USUAL_SIDE, USUAL_STEPS = 512, 20
LARGEST_SEED = 2**32 - 1
SMALLEST_COST = 1 / 16
"""Cost units of the smallest picture, see `ImageRequest.cost`."""
LARGEST_CFG_SCALE = 30.0
LONGEST_NAME = 200
"""Characters of a model's or sampler's name."""

EXTRA_ARGUMENTS = "<sd_cpp_extra_args>"
"""stable-diffusion.cpp's server takes what follows this in a prompt, and in no other text, for parameters
that count instead of ours: with them a stranger paints beyond all limits. It looks for just these letters."""

BYTES_BESIDE_PROMPTS = 65_536
BYTES_OF_A_CHARACTER = 12
r"""At the most: an emoji that an ASCII-only JSON writer sends as two times \uXXXX."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for: characters, pixels, steps, pictures."""

    max_prompt: int = 4000
    max_pixels: int = 4_194_304
    max_steps: int = 150
    max_batch: int = 8

    @property
    def max_message_bytes(self) -> int:
        """The most that both prompts of a request take as JSON, and plenty for what stands around them."""
        return BYTES_BESIDE_PROMPTS + 2 * BYTES_OF_A_CHARACTER * self.max_prompt


class ImageRequest(Struct, frozen=True, kw_only=True):
    """What to paint. `None` leaves the choice to the server, seed -1 to chance."""

    prompt: str
    negative_prompt: str = ""
    steps: int = USUAL_STEPS
    width: int = USUAL_SIDE
    height: int = USUAL_SIDE
    cfg_scale: float = 7.0
    sampler_name: str | None = None
    seed: int = -1
    batch_size: int = 1
    model: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Further txt2img fields that a front end let through by an allow-list."""

    @property
    def cost(self) -> float:
        """The expected work; one unit is one picture of 512x512 pixels in 20 steps.

        A picture has a part that no size makes smaller (its request, its prompt's reading, its file), so it
        counts as SMALLEST_COST at least: else a caller of tiny pictures had a server almost for nothing.
        In whole 2**-20 of a unit: sums of such numbers are exact, so that a caller gets back just what it was
        charged for a job that it cancelled, and ties are ties.
        """
        picture = round(self.steps * self.width * self.height / 5) / 2**20
        return self.batch_size * max(SMALLEST_COST, picture)

    @property
    def chosen(self) -> dict[str, Any]:
        """What it asks for beside the defaults: the same words for every version that knows these fields."""
        usual = ImageRequest(prompt="")
        names = ("prompt", *FIELDS)
        found = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}
        return found | ({"extra": dict(self.extra)} if self.extra else {})


FIELDS = (
    "negative_prompt",
    "steps",
    "width",
    "height",
    "cfg_scale",
    "sampler_name",
    "seed",
    "batch_size",
    "model",
)
"""The parameters beside the prompt that every front end takes by these names."""

FLAGS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)
"""Yes and no, in the words that people use."""


def parse_flag(name: str, value: object) -> bool:
    """Read yes or no as it came from outside, None as not given. Raises InvalidRequest."""
    if value is None or isinstance(value, bool):
        return bool(value)
    flag = FLAGS.get(value.lower()) if isinstance(value, str) else None
    if flag is None:
        raise InvalidRequest(f"{name}: true or false is wanted", field=name)
    return flag


def parse_request(prompt: object, fields: Mapping[str, object], limits: Limits) -> ImageRequest:
    """Read a prompt and parameters as they came from outside: words of a query, values of JSON.

    `fields` holds nothing but names of FIELDS, else the unknown one is refused; None means not given.
    Raises InvalidRequest, which names the field, for anything that is not exactly usable.
    """
    given = _within(limits)
    for name, value in fields.items():
        if name not in FIELDS:
            raise InvalidRequest(f"{name}: no such parameter; there are: {', '.join(FIELDS)}", field=name)
        if value is not None:
            given[name] = _parameter(name, value, limits)
    request = ImageRequest(prompt=_text("input", prompt, limits.max_prompt), **given)
    if not request.prompt.strip():
        raise InvalidRequest("input: the prompt is empty", field="input")
    if EXTRA_ARGUMENTS in request.prompt:
        raise InvalidRequest(
            f"input: {EXTRA_ARGUMENTS} is not let through; parameters go beside the prompt", field="input"
        )
    pixels = request.width * request.height
    if pixels > limits.max_pixels:
        raise InvalidRequest(
            f"width x height: {pixels} pixels, at most {limits.max_pixels} are painted", field="width"
        )
    return request


def _within(limits: Limits) -> dict[str, Any]:
    """What is not given, where that would be more than the limits allow."""
    given: dict[str, Any] = {}
    if limits.max_steps < USUAL_STEPS:
        given["steps"] = limits.max_steps
    if limits.max_pixels < USUAL_SIDE**2:
        side = isqrt(limits.max_pixels) // SIZE_STEP * SIZE_STEP
        given |= {"width": side, "height": side}
    return given


def _parameter(name: str, value: object, limits: Limits) -> str | int | float | None:
    """One of FIELDS."""
    match name:
        case "negative_prompt":
            return _text(name, value, limits.max_prompt)
        case "sampler_name" | "model":
            return _text(name, value, LONGEST_NAME).strip() or None
        case "width" | "height":
            return _side(name, value, limits)
        case "steps":
            return _whole(name, value, 1, limits.max_steps)
        case "batch_size":
            return _whole(name, value, 1, limits.max_batch)
        case "seed":
            return _whole(name, value, -1, LARGEST_SEED)
        case _:
            return _number(name, value, 0.0, LARGEST_CFG_SCALE)


def _text(name: str, value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"{name}: a text is wanted", field=name)
    if len(value) > longest:
        raise InvalidRequest(f"{name}: {len(value)} characters, at most {longest} are read", field=name)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"{name}: half a surrogate pair is no character", field=name) from None
    return value


def _whole(name: str, value: object, low: int, high: int) -> int:
    number = _float(value)
    if number is None or not number.is_integer() or not low <= number <= high:
        raise InvalidRequest(f"{name}: a whole number from {low} to {high} is wanted", field=name)
    return int(number)


def _number(name: str, value: object, low: float, high: float) -> float:
    number = _float(value)
    if number is None or not low <= number <= high:
        raise InvalidRequest(f"{name}: a number from {low:g} to {high:g} is wanted", field=name)
    return number + 0.0  # -0.0 is 0.0: one request, and the same bytes


def _side(name: str, value: object, limits: Limits) -> int:
    side = _whole(name, value, SMALLEST_SIDE, limits.max_pixels // SMALLEST_SIDE)
    if side % SIZE_STEP:
        raise InvalidRequest(f"{name}: a multiple of {SIZE_STEP} is wanted", field=name)
    return side


def _float(value: object) -> float | None:
    """The number that a JSON value or a query's word says; None where it says none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and (len(value) > 32 or "_" in value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None

"""A1111's words: a JSON object to an Order or a list of faults, and answers back to JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.task import MODEL, VERSION, Task

MAX_SIDE = 65_536
MAX_PIXELS = 1 << 27
"""Of one request, all its pictures together."""
SCHEDULERS = ("Automatic", "Uniform", "Karras", "Exponential", "Simple", "Normal")
SAMPLERS: dict[str, tuple[str, ...]] = {
    "Euler a": ("k_euler_a", "k_euler_ancestral"),
    "Euler": ("k_euler",),
    "DPM++ 2M": ("k_dpmpp_2m",),
    "DPM++ SDE": ("k_dpmpp_sde",),
    "DPM++ 2M SDE": ("k_dpmpp_2m_sde",),
    "Heun": ("k_heun",),
    "LMS": ("k_lms",),
    "DDIM": ("ddim",),
    "UniPC": ("unipc",),
    "LCM": ("k_lcm",),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request, where FastAPI would say it."""

    place: str
    message: str
    kind: str


class Invalid(Exception):
    """A request that cannot be used: 422."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.place}: {fault.message}" for fault in faults))
        self.faults = faults

    def detail(self) -> list[dict[str, Any]]:
        """The faults in FastAPI's words."""
        return [{"loc": ["body", f.place], "msg": f.message, "type": f.kind} for f in self.faults]


class UnknownSampler(Exception):
    """A sampler that is not on the list: 404."""


@dataclass(frozen=True, slots=True)
class Order:
    """A txt2img request: what to paint, how often, and under which task id."""

    task: Task
    batch_size: int = 1
    n_iter: int = 1
    task_id: str = ""
    send_images: bool = True
    asked: Mapping[str, Any] = field(default_factory=dict)

    def tasks(self, iteration: int) -> list[Task]:
        """The pictures of one iteration; seeds count up over all of them."""
        first = self.task.seed + iteration * self.batch_size
        return [replace(self.task, seed=first + i) for i in range(self.batch_size)]


_NUMBERS: dict[str, tuple[float, float, float]] = {  # default, least, most
    "seed": (-1, -1, 2**63 - 1),
    "steps": (50, 1, 10_000),  # as many as MAX_STEPS and MAX_BATCH may allow
    "width": (512, 64, MAX_SIDE),
    "height": (512, 64, MAX_SIDE),
    "cfg_scale": (7.0, 0, 100),
    "batch_size": (1, 1, 100),
    "n_iter": (1, 1, 100),
}
_TEXTS = ("prompt", "negative_prompt", "sampler_name", "sampler_index", "force_task_id")


def _number(body: Mapping[str, Any], name: str, faults: list[Fault]) -> float:
    default, least, most = _NUMBERS[name]
    value = _from_text(body.get(name))
    whole = name != "cfg_scale"
    if value is None:
        return default
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or (whole and value != int_or_none(value))
    ):
        word = "integer" if whole else "number"
        faults.append(
            Fault(name, f"Input should be a valid {word}", "int_parsing" if whole else "float_parsing")
        )
        return default
    if not least <= value <= most:
        word, limit, kind = (
            ("greater", least, "greater_than_equal") if value < least else ("less", most, "less_than_equal")
        )
        faults.append(Fault(name, f"Input should be {word} than or equal to {limit:g}", kind))
        return default
    return value


def _from_text(value: Any) -> Any:
    """The number in a text, as pydantic reads it; anything else as it is."""
    for read in (int, float) if isinstance(value, str) else ():
        try:
            return read(value)
        except ValueError:
            continue
    return value


def int_or_none(value: float) -> int | None:
    """The value as a whole number, if it is one (JSON knows no difference between 20 and 20.0)."""
    try:
        return int(value) if int(value) == value else None
    except (OverflowError, ValueError):  # infinity, NaN: Python's JSON reads them
        return None


def _text(body: Mapping[str, Any], name: str, faults: list[Fault]) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        faults.append(Fault(name, "Input should be a valid string", "string_type"))
        return ""
    return value


def sampler(name: str) -> str:
    """A sampler's name without the scheduler that older clients append to it."""
    if not name:
        return "Euler"
    bare = next((name.removesuffix(f" {s}") for s in SCHEDULERS if name.endswith(f" {s}")), name)
    if bare not in SAMPLERS:
        raise UnknownSampler(name)
    return bare


def read_order(body: object, random_seed: int) -> Order:
    """The order in a request's body; raises Invalid or UnknownSampler. Unknown fields are ignored."""
    if not isinstance(body, dict):
        raise Invalid(Fault("body", "Input should be a valid dictionary", "dict_type"))
    faults: list[Fault] = []
    numbers = {name: _number(body, name, faults) for name in _NUMBERS}
    texts = {name: _text(body, name, faults) for name in _TEXTS}
    send = body.get("send_images", True)
    if send is not None and not isinstance(send, bool):
        faults.append(Fault("send_images", "Input should be a valid boolean", "bool_type"))
    width, height = (int(numbers[side]) // 8 * 8 for side in ("width", "height"))
    batch, rounds = int(numbers["batch_size"]), int(numbers["n_iter"])
    if width * height * batch * rounds > MAX_PIXELS:
        place = "n_iter" if rounds > 1 else "batch_size" if batch > 1 else "width"
        faults.append(Fault(place, f"All pictures together may have {MAX_PIXELS} pixels", "too_large"))
    if faults:
        raise Invalid(*faults)
    task = Task(
        prompt=texts["prompt"],
        negative_prompt=texts["negative_prompt"],
        seed=int(numbers["seed"]) if numbers["seed"] != -1 else random_seed,
        width=width,
        height=height,
        steps=int(numbers["steps"]),
        cfg_scale=float(numbers["cfg_scale"]),
        sampler=sampler(texts["sampler_name"] or texts["sampler_index"]),
    )
    return Order(task, batch, rounds, texts["force_task_id"], send is not False, body)


def parameters(order: Order) -> dict[str, Any]:
    """The request as it was understood, with what it left out."""
    task = order.task
    return {
        **{key: value for key, value in order.asked.items() if key != "force_task_id"},
        "prompt": task.prompt,
        "negative_prompt": task.negative_prompt,
        "seed": _from_text(order.asked.get("seed", -1)),
        "steps": task.steps,
        "width": task.width,
        "height": task.height,
        "cfg_scale": task.cfg_scale,
        "sampler_name": task.sampler,
        "batch_size": order.batch_size,
        "n_iter": order.n_iter,
    }


def info(order: Order, tasks: list[Task], infotexts: list[str], timestamp: str) -> str:
    """The `info` field: JSON in a string."""
    task = order.task
    return json.dumps(
        {
            "prompt": task.prompt,
            "all_prompts": [t.prompt for t in tasks],
            "negative_prompt": task.negative_prompt,
            "all_negative_prompts": [t.negative_prompt for t in tasks],
            "seed": task.seed,
            "all_seeds": [t.seed for t in tasks],
            "width": task.width,
            "height": task.height,
            "sampler_name": task.sampler,
            "cfg_scale": task.cfg_scale,
            "steps": task.steps,
            "batch_size": order.batch_size,
            "sd_model_name": MODEL,
            "sd_model_hash": "",
            "extra_generation_params": {},
            "index_of_first_image": 0,
            "infotexts": infotexts,
            "styles": [],
            "job_timestamp": timestamp,
            "version": VERSION,
        }
    )


def body_parts(images: list[bytes], parameters: Mapping[str, Any], info: str) -> list[bytes]:
    """The answer to txt2img in pieces. The images are base64: they need no escaping and are not copied."""
    parts = [b'{"images":[']
    for i, image in enumerate(images):
        parts += [b',"' if i else b'"', image, b'"']
    tail = json.dumps({"parameters": parameters, "info": info}, separators=(",", ":"))
    return [*parts, b"]," + tail[1:].encode()]


def models() -> list[dict[str, Any]]:
    """The one model, which says what it is."""
    return [
        {
            "title": MODEL,
            "model_name": MODEL,
            "hash": None,
            "sha256": None,
            "filename": "",
            "config": None,
        }
    ]


def samplers() -> list[dict[str, Any]]:
    """The names that requests may use; to the painter they are all the same."""
    return [{"name": name, "aliases": list(aliases), "options": {}} for name, aliases in SAMPLERS.items()]


def schedulers() -> list[dict[str, Any]]:
    """Likewise."""
    return [
        {"name": s.lower(), "label": s, "aliases": None, "default_rho": -1, "need_inner_model": False}
        for s in SCHEDULERS
    ]

"""The lists of a server, `sd-models`, `samplers` and `options`, to names. Pure, and never raises."""

from dataclasses import dataclass
from typing import Any

DEMO = "demo painter"
"""In the name of the built-in engine's model."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model by its `model_name`, which is how it is asked for, and its title, as `options` names it."""

    name: str
    title: str


def read_models(value: Any) -> tuple[Model, ...]:
    """The models of `/sdapi/v1/sd-models`; entries that name none are left out."""
    models = []
    for item in _objects(value):
        title = _text(item.get("title"))
        name = _text(item.get("model_name")) or _bare(title)
        if name:
            models.append(Model(name, title or name))
    return tuple(models)


def read_samplers(value: Any) -> tuple[str, ...]:
    """The names of `/sdapi/v1/samplers`."""
    return tuple(name for item in _objects(value) if (name := _text(item.get("name"))))


def read_checkpoint(value: Any) -> str | None:
    """The loaded model of `/sdapi/v1/options`, as the server writes it."""
    return (_text(value.get("sd_model_checkpoint")) or None) if isinstance(value, dict) else None


def name_of(written: str | None, models: tuple[Model, ...]) -> str | None:
    """The `model_name` of what may be a name, a file or a title.

    The hash in a title is compared last: A1111 adds it to the list when the model is loaded first.
    """
    if not written:
        return None
    for model in models:
        if written in (model.name, model.title):
            return model.name
    for model in models:
        if _bare(written) in (_bare(model.name), _bare(model.title)):
            return model.name
    return _bare(written)


def _bare(written: str) -> str:
    """`dir/name.safetensors [hash]` is `name`."""
    name = written.split(" [", 1)[0].replace("\\", "/").rsplit("/", 1)[-1]
    for ending in (".safetensors", ".ckpt", ".gguf"):
        name = name.removesuffix(ending)
    return name


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

"""Lists: the models and samplers of a server, read from its optional endpoints. Pure."""

from typing import Any

DEMO = "demo painter"
"""The built-in engine says in its model's name what it is."""


def model_names(words: Any) -> tuple[str, ...]:
    """`model_name` of each entry of `/sdapi/v1/sd-models`."""
    return _names(words, "model_name")


def sampler_names(words: Any) -> tuple[str, ...]:
    """`name` of each entry of `/sdapi/v1/samplers`."""
    return _names(words, "name")


def loaded_model(options: Any, models: Any) -> str | None:
    """`sd_model_checkpoint` is a title, `name.safetensors [hash]`: the `model_name` of that entry."""
    title = options.get("sd_model_checkpoint") if isinstance(options, dict) else None
    if not isinstance(title, str) or not title:
        return None
    for entry in models if isinstance(models, list) else []:
        if isinstance(entry, dict) and title in (entry.get("title"), entry.get("model_name")):
            return str(entry.get("model_name"))
    return None


def _names(words: Any, key: str) -> tuple[str, ...]:
    entries = words if isinstance(words, list) else []
    return tuple(str(entry[key]) for entry in entries if isinstance(entry, dict) and entry.get(key))

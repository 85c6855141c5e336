"""Lists: the models and samplers of a server, read from its optional endpoints. Pure."""

from collections.abc import Callable, Iterable
from typing import Any

from core.offers import bare_name, flat_name

DEMO = "demo painter"
"""The built-in engine says in its model's name what it is."""


def model_names(words: Any) -> tuple[str, ...]:
    """`model_name` of each entry of `/sdapi/v1/sd-models`."""
    return _names(words, "model_name")


def sampler_names(words: Any) -> tuple[str, ...]:
    """`name` of each entry of `/sdapi/v1/samplers`."""
    return _names(words, "name")


def loaded_model(options: Any, models: Any) -> str | None:
    """The `model_name` of what `sd_model_checkpoint` names."""
    return model_called(options.get("sd_model_checkpoint") if isinstance(options, dict) else None, models)


def model_called(name: Any, models: Any) -> str | None:
    """The one that `models_called` finds; None where there is none, or several."""
    found = models_called(name, models)
    return found.pop() if len(found) == 1 else None


def models_called(name: Any, models: Any) -> set[str]:
    """The `model_name` of each entry that a server may mean by this name.

    It says `dir/name.safetensors [hash]` in its options, with a hash once it has one, while `model_name` is
    `dir_name`.
    """
    return _called(name, models, (str, flat_name, bare_name))


def models_painting(name: Any, models: Any) -> set[str]:
    """The same by the name in a picture's info, where A1111 leaves out the folder: any of that name."""
    has_folder = isinstance(name, str) and ("/" in name or "\\" in name)
    return models_called(name, models) if has_folder else _called(name, models, (bare_name,))


def _called(name: Any, models: Any, likenesses: Iterable[Callable[[str], str]]) -> set[str]:
    """Those that are alike in the first way in which any is."""
    if not isinstance(name, str) or not name:
        return set()
    entries = [entry for entry in models if isinstance(entry, dict)] if isinstance(models, list) else []
    for alike in likenesses:
        found = {
            str(entry["model_name"])
            for entry in entries
            if entry.get("model_name")
            and alike(name) in (alike(str(entry["model_name"])), alike(str(entry.get("title"))))
        }
        if found:
            return found
    return set()


def _names(words: Any, key: str) -> tuple[str, ...]:
    entries = words if isinstance(words, list) else []
    return tuple(str(entry[key]) for entry in entries if isinstance(entry, dict) and entry.get(key))

"""Lists: the models and samplers of a server, read from its optional endpoints. Pure."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeGuard
from unicodedata import category

from core.offers import bare_name, flat_name
from core.request import LONGEST_NAME

DEMO = "demo painter"
"""The built-in engine says in its model's name what it is."""
MOST_NAMES = 1000
"""Models of one server that are offered, and samplers: they are told to every client, again and again."""
OFFERED = (
    f"the first {MOST_NAMES} of each, whose names have at most {LONGEST_NAME} characters that can be shown"
)
LONGEST_TITLE = 2 * LONGEST_NAME
"""Characters of a model's title that are read: it holds its folder and its hash beside its name."""
JOINERS = "\u200c\u200d"
"""Of Persian words and of emoji: not printable to Python, and in names of files, as are all spaces."""


class Model(NamedTuple):
    """One that is offered: its `model_name` and its `title`."""

    name: str
    title: str


def models_of(words: Any) -> tuple[Model, ...]:
    """Those of `/sdapi/v1/sd-models` that are offered."""
    return tuple(
        Model(entry["model_name"], str(entry.get("title") or entry["model_name"])[:LONGEST_TITLE])
        for entry in _offered(words, "model_name")
    )


def sampler_names(words: Any) -> tuple[str, ...]:
    """Those of `/sdapi/v1/samplers` that are offered."""
    return tuple(entry["name"] for entry in _offered(words, "name"))


def is_name(value: object) -> TypeGuard[str]:
    """Whether a client may ask for a model or a sampler by it, and a terminal show it."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        return False
    odd = () if value.isprintable() else (letter for letter in value if not letter.isprintable())
    return all(letter in JOINERS or category(letter) == "Zs" for letter in odd)


def loaded_model(options: Any, models: Sequence[Model]) -> str | None:
    """The name of what `sd_model_checkpoint` names."""
    return model_called(options.get("sd_model_checkpoint") if isinstance(options, dict) else None, models)


def model_called(name: Any, models: Sequence[Model]) -> str | None:
    """The one that `models_called` finds; None where there is none, or several."""
    found = models_called(name, models)
    return found.pop() if len(found) == 1 else None


def models_called(name: Any, models: Sequence[Model]) -> set[str]:
    """The name of each model that a server may mean by this one.

    It says `dir/name.safetensors [hash]` in its options, with a hash once it has one, while `model_name` is
    `dir_name`.
    """
    return _called(name, models, (str, flat_name, bare_name))


def models_painting(name: Any, models: Sequence[Model]) -> set[str]:
    """The same by the name in a picture's info, where A1111 leaves out the folder: any of that name."""
    has_folder = isinstance(name, str) and ("/" in name or "\\" in name)
    return models_called(name, models) if has_folder else _called(name, models, (bare_name,))


def _called(name: Any, models: Sequence[Model], likenesses: Iterable[Callable[[str], str]]) -> set[str]:
    """Those that are alike in the first way in which any is."""
    if not isinstance(name, str) or not name:
        return set()
    for alike in likenesses:
        found = {model.name for model in models if alike(name) in (alike(model.name), alike(model.title))}
        if found:
            return found
    return set()


def _offered(words: Any, key: str) -> Iterable[dict[str, Any]]:
    """The entries that have a name by this key, up to so many."""
    entries = words if isinstance(words, list) else []
    return islice((each for each in entries if isinstance(each, dict) and is_name(each.get(key))), MOST_NAMES)

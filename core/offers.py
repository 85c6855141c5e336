"""Offers: what the backends can do at the moment, and what of it a job asks for."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple
from unicodedata import normalize

from core.request import ImageRequest

HASH = re.compile(r" \[[0-9a-f]+\]$", re.IGNORECASE)
"""Of a model's file; stands at the end of its title."""
ENDING = re.compile(r"\.(safetensors|sft|ckpt|pth?|gguf)$")
"""Of a model's file."""


class Kind(NamedTuple):
    """What a job demands of a backend; jobs of one kind wait in one line. Empty: anything will do."""

    model: str = ""
    sampler_name: str = ""


ANYTHING = Kind()


@dataclass(frozen=True, slots=True)
class Offer:
    """What one backend says of itself. It lapses with time, so a dead worker's offer disappears."""

    backend: str
    usable: bool
    models: tuple[str, ...] = ()
    samplers: tuple[str, ...] = ()
    """Empty where the server does not tell: then any name may be tried."""
    loaded: str | None = None
    """The model in the GPU's memory, if known."""
    pace: float | None = None
    """Seconds per cost unit, measured; None before the first picture."""
    resting: bool = False
    """Not usable, but for a moment only: it answers, and is given a breath after a failed picture, is busy
    with somebody else's, or has not let go of a job that was cancelled, took too long or was given up."""
    problem: str = ""
    """Why it is not usable, in a few words."""
    demo: bool = False
    """Whether the built-in demo painter paints here."""

    @property
    def takes_work(self) -> bool:
        """Whether the backend paints, or will in a moment."""
        return self.usable or self.resting

    def accepts(self, kind: Kind) -> bool:
        """Whether a job of this kind can be painted here, once the backend is usable."""
        return (not kind.model or kind.model in self.models) and (
            not kind.sampler_name or not self.samplers or kind.sampler_name in self.samplers
        )

    def has_loaded(self, kind: Kind) -> bool:
        """Whether a job of this kind runs here without loading another model."""
        return not kind.model or kind.model == self.loaded


def paces_of(offers: Sequence[Offer]) -> dict[str, float]:
    """Seconds per cost unit of each backend; empty where none has painted.

    One that has not painted yet counts as being as fast as the median of the others: else all work would seem
    to be for those that have.
    """
    known = [offer.pace for offer in offers if offer.pace is not None]
    if not known:
        return {}
    usual = median(known)
    return {offer.backend: usual if offer.pace is None else offer.pace for offer in offers}


@dataclass(frozen=True, slots=True)
class Catalog:
    """All offers together: what a client may choose from."""

    offers: tuple[Offer, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models of the backends that new work is taken for."""
        return _names(offer.models for offer in self.offers if offer.takes_work)

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names of the samplers of the backends that new work is taken for."""
        return _names(offer.samplers for offer in self.offers if offer.takes_work)

    @property
    def takes_work(self) -> bool:
        """Whether any backend paints, or will in a moment."""
        return any(offer.takes_work for offer in self.offers)

    @property
    def demo(self) -> bool:
        """Whether nothing but the built-in demo painter paints."""
        demos = [offer.demo for offer in self.offers if offer.takes_work]
        return bool(demos) and all(demos)

    def model_named(self, name: str) -> str | None:
        """The exact name of a model that a person named loosely (its file, its title, another case)."""
        names = _names(offer.models for offer in self.offers)
        if name in names:
            return name
        for alike in (flat_name, bare_name):
            found = [known for known in names if alike(known) == alike(name)]
            if found:
                return found[0] if len(found) == 1 else None
        return None

    def sampler_named(self, name: str) -> str | None:
        """The exact name of a sampler, in whatever case it was written."""
        names = _names(offer.samplers for offer in self.offers)
        return next((known for known in names if known.lower() == name.lower()), None)


def kind_of(request: ImageRequest) -> Kind:
    """What this request demands of a backend."""
    if request.model is None and request.sampler_name is None:
        return ANYTHING
    return Kind(request.model or "", request.sampler_name or "")


def _names(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """All names, once each, in the order in which they first appear."""
    return tuple(dict.fromkeys(name for names in lists for name in names))


def flat_name(name: str) -> str:
    """What names of one model have in common: A1111 has `dir/Name.safetensors [hash]` and `dir_Name`."""
    return _flat(_path_of(name))


def bare_name(name: str) -> str:
    """The same without the folder."""
    return _flat(_path_of(name).rsplit("/", 1)[-1])


def _path_of(title: str) -> str:
    """Without the hash at its end. What else stands in brackets is a part of the name."""
    return HASH.sub("", title).replace("\\", "/")


def _flat(path: str) -> str:
    # macOS takes a file's letters apart from their accents, a keyboard does not.
    return ENDING.sub("", normalize("NFC", path).replace("/", "_").lower())

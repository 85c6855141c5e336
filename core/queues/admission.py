"""Admission: what a new job must fulfil, and why one is refused. Jobs that go back are not asked."""

from collections.abc import Callable

from msgspec.structs import replace

from core.errors import InvalidRequest, NoBackend, UnknownModel
from core.offers import Catalog, Offer, flat_name, kind_of
from core.request import ImageRequest


def is_repeat(request: ImageRequest, known: ImageRequest) -> bool:
    """Whether this is the request that came before under the same id.

    Names that a person wrote loosely may have become a backend's own then, and not now: it may be away.
    """
    if request == known:
        return True
    unnamed = {"model": None, "sampler_name": None}
    return (
        replace(request, **unnamed) == replace(known, **unnamed)
        and _is_same(request.model, known.model, _means)
        and _is_same(
            request.sampler_name, known.sampler_name, lambda one, other: one.lower() == other.lower()
        )
    )


def check_backends(request: ImageRequest, known: tuple[Offer, ...]) -> None:
    """Raises NoBackend, UnknownModel or InvalidRequest (the sampler) where nobody could paint this now.

    `known` are the offers of all backends, usable or not.
    """
    kind = kind_of(request)
    for offer in known:
        if offer.takes_work and offer.accepts(kind):
            return
    if not any(offer.takes_work for offer in known):
        raise NoBackend(_why_none(known))
    if any(offer.accepts(kind) for offer in known):
        raise NoBackend("the backends that can paint this are down")
    if request.model and not any(request.model in offer.models for offer in known):
        raise UnknownModel(request.model, Catalog(known).models)
    raise InvalidRequest(
        f"sampler_name: no backend that can paint this has {request.sampler_name!r}; "
        f"samplers that exist: {', '.join(Catalog(known).samplers)}",
        field="sampler_name",
    )


def _is_same(name: str | None, other: str | None, alike: Callable[[str, str], bool]) -> bool:
    return name == other if name is None or other is None else alike(name, other)


def _means(name: str, other: str) -> bool:
    """Whether two names may be one model's: one of them may lack folders, but not name other ones."""
    flat, its_flat = flat_name(name), flat_name(other)
    return flat == its_flat or flat.endswith(f"_{its_flat}") or its_flat.endswith(f"_{flat}")


def _why_none(offers: tuple[Offer, ...]) -> str:
    problems = "; ".join(f"{offer.backend}: {offer.problem}" for offer in offers if offer.problem)
    return (
        f"no painting server can be used now ({problems})" if problems else "no painting server is connected"
    )

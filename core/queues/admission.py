"""Admission: what a new job must fulfil, and why one is refused. Jobs that go back are not asked."""

from core.errors import InvalidRequest, NoBackend, QueueFull, TooManyJobs, UnknownModel
from core.offers import Catalog, Offer, kind_of
from core.queues.places import Offers
from core.request import ImageRequest
from core.settings import Settings


def check_bounds(waiting: int, own: int, settings: Settings) -> None:
    """Raises QueueFull or TooManyJobs where so many jobs wait, so many of them the caller's own."""
    if waiting >= settings.max_queue:
        raise QueueFull(f"{waiting} jobs are waiting, no more are taken")
    if own >= settings.max_jobs_per_user:
        raise TooManyJobs(f"{own} jobs of yours are waiting, no more are taken")


def check_backends(request: ImageRequest, offers: Offers, now: float) -> None:
    """Raises NoBackend, UnknownModel or InvalidRequest (the sampler) where nobody could paint this now."""
    kind = kind_of(request)
    usable, known = offers.usable(now), offers.all(now)
    if not usable:
        raise NoBackend(_why_none(known))
    if any(offer.accepts(kind) for offer in usable):
        return
    if any(offer.accepts(kind) for offer in known):
        raise NoBackend("the backends that can paint this are down")
    if request.model and not any(request.model in offer.models for offer in known):
        raise UnknownModel(request.model, Catalog(known).models)
    raise InvalidRequest(
        f"sampler_name: no backend that can paint this has {request.sampler_name!r}", field="sampler_name"
    )


def _why_none(offers: tuple[Offer, ...]) -> str:
    problems = "; ".join(f"{offer.backend}: {offer.problem}" for offer in offers if offer.problem)
    return (
        f"no painting server can be used now ({problems})" if problems else "no painting server is connected"
    )

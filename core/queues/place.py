"""Place: where a waiting job stands, and how long it will take. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.eta import Server, seconds_until_picture
from core.events import Queued
from core.offers import Kind, Offer


@dataclass(frozen=True, slots=True)
class Place:
    """What a position and an estimate are made of: jobs and work (cost units) ahead, and the job itself."""

    ahead: int
    work: float
    kind: Kind
    cost: float
    attempt: int

    def told(self, offers: Iterable[Offer], busy: Mapping[str, float]) -> Queued:
        """The event that tells of it; `busy` is how many seconds each backend that paints will go on."""
        servers = [
            Server(offer.pace, busy.get(offer.backend, 0.0))
            for offer in offers
            if offer.pace is not None and offer.accepts(self.kind)
        ]
        eta = seconds_until_picture(self.cost, self.ahead, self.work, servers)
        return Queued(self.ahead, None if eta is None else round(eta, 2), self.attempt)

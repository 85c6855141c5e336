"""Place: where a waiting job stands, and how long it will take. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.eta import Outlook, Server
from core.events import Queued
from core.offers import Kind, Offer, usual_pace


@dataclass(frozen=True, slots=True)
class Place:
    """What a position and an estimate are made of: jobs and work (cost units) ahead, and the job itself."""

    ahead: int
    work: float
    kind: Kind
    cost: float
    attempt: int

    def as_event(self, offers: Iterable[Offer], busy: Mapping[str, float]) -> Queued:
        """The event that tells of it; `busy` is how many seconds each backend that paints will go on."""
        return queued_event(outlook(self.kind, offers, busy), self.ahead, self.work, self.cost, self.attempt)


def queued_event(outlook: Outlook, ahead: int, work: float, cost: float, attempt: int) -> Queued:
    """The event that tells of a place, by the outlook for its kind of jobs.

    In hundredths of a second, as it is shown: what a watcher could not tell apart is no news.
    """
    eta = outlook.until_picture(cost, ahead, work)
    return Queued(ahead, None if eta is None else round(eta, 2), attempt)


def outlook(kind: Kind, offers: Iterable[Offer], busy: Mapping[str, float]) -> Outlook:
    """What jobs of a kind have to expect of the backends that can paint them.

    One that has not painted yet is reckoned to be as fast as the others: else all work ahead would seem to be
    for those that have.
    """
    able = [offer for offer in offers if offer.accepts(kind)]
    usual = usual_pace(able)
    if usual is None:
        return Outlook(())
    return Outlook(
        Server(usual if offer.pace is None else offer.pace, busy.get(offer.backend, 0.0)) for offer in able
    )
